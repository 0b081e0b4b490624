// Proxies that pass TLS on to the server, and the client's address by the PROXY protocol.

import { checkRecipes } from './support/checks.mjs';
import { PAIR, PASSED } from './support/recipes.mjs';

checkRecipes(PASSED, { proxy_protocol: true, tls_cert_file: PAIR.cert, tls_key_file: PAIR.key });
