#!/usr/bin/env node
// The command `sealrelay`. Looks at the version of Node before anything else is loaded; cli/program.ts has the commands.

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 7)) {
  process.stderr.write(
    `sealrelay needs Node 24.7 or later, this is ${process.versions.node}; run npm ci and npm run -s sealrelay\n`,
  );
  process.exit(1);
}

// A reader that closes early (`| head`) has what it wanted.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
const { main } = await import('./program.ts');
process.exitCode = await main(process.argv.slice(2));
