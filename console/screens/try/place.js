// The public address, as pusher-js takes it.

import { clientAddress } from "../send/address.js";
import { jsLiteral } from "../send/literals.js";

export const CHANNEL = "private-encrypted-demo";

export function placeOf(page, key, prefix) {
  const address = clientAddress(page.store.session.public_url);
  const path = prefix || "";
  return {
    ...address,
    key,
    path,
    endpoint: `${address.origin}${path}/apps/${encodeURIComponent(page.app)}/auth/channel`,
  };
}

/** Options of pusher-js. Nothing of it asks another server than this one. */
export const optionsOf = ({ host, port, isTls, path, endpoint }) => ({
  cluster: "",
  wsHost: host,
  wsPort: port,
  wssPort: port,
  ...(path ? { wsPath: path } : {}),
  forceTLS: isTls,
  enabledTransports: ["ws"],
  channelAuthorization: { endpoint, transport: "ajax" },
});

export const snippet = (place) => `<script src="https://js.pusher.com/8.4.0/pusher-with-encryption.min.js"></script>
<script>
${place.note ? `  // ${place.note}\n` : ""}  const pusher = new Pusher(${jsLiteral(place.key)}, {
    cluster: "", wsHost: ${jsLiteral(place.host)}, wsPort: ${place.port}, wssPort: ${place.port},${place.path ? ` wsPath: ${jsLiteral(place.path)},` : ""}
    forceTLS: ${place.isTls}, enabledTransports: ["ws"],
    channelAuthorization: { endpoint: ${jsLiteral(place.endpoint)} },
  });
  pusher.subscribe("${CHANNEL}").bind("hello", (data) => console.log(data));
</script>`;
