-- Nodes read the clock of Redis from afar. What arrives within this time has its place by its arrival.
local ON_TIME_MS = 2000

-- True for an event that comes late, after an outage: an event like any other one, and not the last.
local function is_outdated(sent_ms)
  local stored, stored_ms = stored_head()
  local is_late = now / 1000 - tonumber(sent_ms) > ON_TIME_MS
  return stored and is_late and tonumber(stored_ms) > tonumber(sent_ms)
end

local function keep_last(channel, blob, ttl_ms, sent_ms)
  redis.call('HDEL', state, 'c')
  redis.call('SET', last_event, decimal(number) .. ':' .. sent_ms .. ':' .. blob, 'PX', ttl_ms)
  redis.call('ZADD', lingering, decimal(math.ceil(now / 1000) + tonumber(ttl_ms)), 'l' .. channel)
end
