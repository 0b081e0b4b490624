-- Subscribers that come before the first event have a position too.
local function begin_log(idle_ms, vacant_ms)
  local first = math.max(number + 1, now, lowest)
  redis.call('HSET', state, 'h', decimal(first), 'ha', decimal(now_ms), 'hi', idle_ms, 'hw', vacant_ms)
end

local function log_occupied(channel)
  redis.call('HDEL', state, 'hv')
  local at, idle_ms = unpack(redis.call('HMGET', state, 'ha', 'hi'))
  redis.call('ZADD', lingering, decimal(log_end(at, idle_ms)), 'h' .. channel)
end

local function log_vacated(channel)
  redis.call('HSET', state, 'hv', decimal(now_ms))
  local at, idle_ms, vacant_ms = unpack(redis.call('HMGET', state, 'ha', 'hi', 'hw'))
  redis.call('ZADD', lingering, decimal(log_end(at, idle_ms, vacant_ms, now_ms)), 'h' .. channel)
end
