import { storeContract } from './store.ts';
import { setUp } from './store-place.ts';

describe('the contract, on SQLite', () => storeContract(async () => setUp()));
