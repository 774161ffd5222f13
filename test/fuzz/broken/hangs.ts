import { octets, type Target } from '../target.ts';

export async function open(): Promise<Target> {
  return {
    seeds: [octets('abcdefgh')],
    tokens: ['Z'],
    check: (input) => {
      while (input.includes('Z'));
    },
  };
}
