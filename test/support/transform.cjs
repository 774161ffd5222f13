// Jest sees TypeScript as Node runs it: types are stripped, nothing else changes, lines stay where they are.
const { stripTypeScriptTypes } = require('node:module');

module.exports = { process: (source) => ({ code: stripTypeScriptTypes(source) }) };
