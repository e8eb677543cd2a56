// Where things are unless somebody says otherwise.

/** The configuration, unless `--config` names another. */
export const defaultConfigFile = '/etc/balancer/balancer.yaml'

/** The runtime socket, unless `admin.socket` names another. */
export const defaultSocket = '/run/balancer/admin.sock'
