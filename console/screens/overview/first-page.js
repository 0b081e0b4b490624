// A page that subscribes, to be copied.

import { clientAddress } from "../send/address.js";
import { jsLiteral } from "../send/literals.js";

export function firstPage(url, key) {
  const { host, port, isTls, note } = clientAddress(url);
  return `<script src="https://js.pusher.com/8.4.0/pusher-with-encryption.min.js"></script>
<script>
${note ? `  // ${note}\n` : ""}  const pusher = new Pusher(${jsLiteral(key)}, {
    cluster: "", wsHost: ${jsLiteral(host)}, wsPort: ${port}, wssPort: ${port}, forceTLS: ${isTls}, enabledTransports: ["ws"],
  });
  pusher.subscribe("news").bind("hello", console.log);
</script>`;
}
