// Proxies that end TLS and pass the client's address on by the PROXY protocol.

import { checkRecipes } from './support/checks.mjs';
import { ENDED } from './support/recipes.mjs';

checkRecipes(ENDED, { proxy_protocol: true });
