import { storeContract } from './store.ts';
import { cutting, repeating, setUp } from './store-place.ts';

describe('the contract, on SQLite with answers that are cut', () =>
  storeContract(async () => setUp(cutting(), repeating)));
