-- A last event is `<number>:<sent_ms>:<blob>`, and its head is shorter than this.
local function stored_head()
  return string.match(redis.call('GETRANGE', last_event, 0, 40), '^(%d+):(%d+):')
end
