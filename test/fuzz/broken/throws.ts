import { claim, octets, type Target } from '../target.ts';

export async function open(): Promise<Target> {
  return { seeds: [octets('abcdefgh')], tokens: ['Z'], check: (input) => claim(!input.includes('Z'), 'a Z') };
}
