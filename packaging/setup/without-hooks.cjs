// Goes first into each test process. tap hooks into how modules are loaded, for mocks and for coverage, of which the tests
// use neither: in Node 20 that is a thread of its own for each file, as dear as all else that a small file costs.

const nodeModule = require('node:module')
nodeModule.register = () => undefined
nodeModule.syncBuiltinESMExports()
