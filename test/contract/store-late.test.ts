import { storeContract } from './store.ts';
import { setUp } from './store-place.ts';

describe('the contract, on SQLite with 20 ms before each answer', () =>
  storeContract(async () => setUp({ latency: () => 20 })));
