// `npm run build`: packages if they are missing, then dist from nothing.

import { build, ensureInstalled } from './setup.js';

try {
  ensureInstalled();
  build();
} catch (error) {
  console.error(`build: ${error.message}`);
  process.exit(1);
}
