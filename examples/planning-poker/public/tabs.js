// A duplicated tab has the same seat. Tabs of one browser tell each other which one they have.

export function watchOtherTabs({ player, tab, onOther }) {
  const channel = new BroadcastChannel("planning-poker");
  const say = () => channel.postMessage({ player, tab });
  let isTold = false;
  channel.onmessage = ({ data }) => {
    if (data.player !== player || data.tab === tab || isTold) return;
    isTold = true;
    onOther();
    say();
  };
  say();
  return { close: () => channel.close() };
}
