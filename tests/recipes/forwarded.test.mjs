// Proxies that end TLS and pass the client's address on in X-Forwarded-For.

import { checkRecipes } from './support/checks.mjs';
import { FORWARDED } from './support/recipes.mjs';

checkRecipes(FORWARDED, {});
