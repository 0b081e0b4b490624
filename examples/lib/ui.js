// The parts of the pages, from the small modules beside this one: README.md lists them.

export { announce, dialog, toast } from "./dialog.js";
export { el, icon, ICONS, sealMark } from "./dom.js";
export {
  autoGrow, avatar, button, card, caughtUp, chip, copyButton, dayOf, emptyState, field, followKeyboard, iconButton, timeOf,
  toggle, whileLoading,
} from "./parts.js";
export { notice, NOTICES, pageBar } from "./status.js";
export { showFrame, tapSockets, wirePanel } from "./wire.js";
