-- Forgets all events. The clearing has a number, so that readers before it are told.
local _, node, channel, counter, blob = unpack(ARGV)
counter = tonumber(counter)
local newest, idle_ms, vacant_ms, vacant_since = unpack(redis.call('HMGET', state, 'h', 'hi', 'hw', 'hv'))
if tonumber(redis.call('HGET', appends, node) or '-1') >= counter then return { 'CLEARED', newest or '0' } end
redis.call('HSETNX', incarnations, node, '0')
redis.call('HSET', appends, node, decimal(counter))
if not newest and redis.call('EXISTS', last_event) == 0 then return { 'CLEARED', '0' } end

local before, predecessor = tonumber(newest or '0'), number
number = math.max(number + 1, before + 1, now, lowest)
redis.call('DEL', log, last_event)
redis.call('HSET', state, 'q', decimal(number), 'h', decimal(number), 'hc', decimal(number), 'ha', decimal(now_ms),
  'hb', '0')
redis.call('ZADD', lingering, decimal(log_end(now_ms, idle_ms, vacant_ms, vacant_since)), 'h' .. channel)
messages[1] = '~' .. decimal(number) .. ':' .. decimal(predecessor) .. ':' .. decimal(before) .. ':' .. blob
publish()
return { 'CLEARED', decimal(number) }
