-- Nodes read the clock of Redis from afar. What arrives within this time has its place by its arrival.
local ON_TIME_MS = 2000
local _, channel, blob, ttl_ms, sent_ms = unpack(ARGV)
local stored, stored_ms = stored_head()
local is_late = now / 1000 - tonumber(sent_ms) > ON_TIME_MS
if stored and is_late and tonumber(stored_ms) > tonumber(sent_ms) then
  -- It comes late, after an outage: an event like any other one, and not the last.
  messages[1] = blob
  publish()
  return { 'OLDER', decimal(number) }
end
local head = stored and stored .. ':' .. sent_ms .. ':'
if head and redis.call('GET', last_event) == head .. blob then return { 'SAME', stored } end

tell('*', blob)
redis.call('HDEL', state, 'c')
redis.call('SET', last_event, decimal(number) .. ':' .. sent_ms .. ':' .. blob, 'PX', ttl_ms)
redis.call('ZADD', lingering, decimal(math.ceil(now / 1000) + tonumber(ttl_ms)), 'l' .. channel)
publish()
return { 'STORED', decimal(number) }
