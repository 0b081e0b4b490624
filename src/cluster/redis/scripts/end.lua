-- Ends one entry of `lingering`, if its time is over: v a vacated channel, m a member, l a last event,
-- h a log.
local kind, channel, member, removed, fact, total_fact = unpack(ARGV)
local entry = kind .. channel .. member
local due = redis.call('ZSCORE', lingering, entry)
if not due then return { 'GONE' } end
if tonumber(due) * 1000 > now then return { 'NOTYET' } end
-- The two clocks of Redis, TIME and that of its expiries, may differ a little.
if kind == 'l' and redis.call('EXISTS', last_event) == 1 then return { 'NOTYET' } end

-- A member whose time runs has a reference for it, and a channel its field v.
local left = kind == 'm' and tonumber(redis.call('HGET', references, member)) - 1
local ends = kind == 'v' or left == 0
if ends and kind == 'v' then write_fact(total_fact, 0) end
if ends then write_fact(fact) end

redis.call('ZREM', lingering, entry)
if kind == 'h' then end_log() end
if ends and kind == 'v' then
  redis.call('SREM', occupied, channel)
  redis.call('HDEL', state, 'v')
elseif kind == 'm' then
  redis.call('HDEL', references, member .. '~')
  if left > 0 then
    redis.call('HSET', references, member, decimal(left))
  else
    redis.call('HDEL', references, member)
    redis.call('HDEL', members, member)
    tell('-', removed)
  end
end
drop_if_empty()
publish()
if ends and kind == 'v' then tell_watchers(0) end
return { ends and 'ENDED' or 'OTHERS', decimal(number) }
