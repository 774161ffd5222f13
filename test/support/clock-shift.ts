// Loaded by `--import` into a gateway of a test: its clock goes `SHIFT_MS` ahead. Timers run as ever.

const ahead = Number(process.env.SHIFT_MS ?? 0);
const { now } = Date;
Date.now = () => now() + ahead;
