local TOLD_AT_ONCE, INTERVAL = 100, 5000000
local _, node, channel, count, name, occupied_fact, vacated_fact, total_fact, linger_ms, idle_ms,
  vacant_ms = unpack(ARGV)
count, linger_ms = tonumber(count), tonumber(linger_ms)
local held = redis.call('HMGET', state, 's' .. node, 'n', 'v', 'x', 'r' .. node, 'h')
local before, total, lingers = tonumber(held[1] or '0'), tonumber(held[2] or '0'), held[3]
local told_at, told = string.match(held[4] or '', '^(%d+):(%d+)$')
told_at, told = tonumber(told_at or '0'), tonumber(told or '0')
local after = total + count - before

local due = 0
if after ~= told and after > TOLD_AT_ONCE and now >= told_at then
  due = math.max(told_at + INTERVAL - now, 0)
end
local tells = after ~= told and due == 0

-- Who returns during the lingering is neither gone nor new.
if after > 0 and total == 0 and not lingers then write_fact(occupied_fact) end
if tells and (after > 0 or linger_ms == 0) then write_fact(total_fact, after) end
if after == 0 and total > 0 and linger_ms == 0 then write_fact(vacated_fact) end

if count > 0 then
  -- Written each time, and not at a change alone: an announcement repairs.
  redis.call('HSETNX', incarnations, node, '0')
  redis.call('SADD', node_channels, channel)
  redis.call('SADD', occupied, channel)
end
if count == 0 and not held[5] then redis.call('SREM', node_channels, channel) end
if count ~= before then
  redis.call('HSET', state, 'n', decimal(after))
  if count == 0 then
    redis.call('HDEL', state, 's' .. node)
  elseif before == 0 then
    redis.call('HSET', state, 's' .. node, decimal(count), 'k', name)
  else
    redis.call('HSET', state, 's' .. node, decimal(count))
  end
  if after > 0 then
    if lingers then
      redis.call('HDEL', state, 'v')
      redis.call('ZREM', lingering, 'v' .. channel)
    end
  elseif linger_ms > 0 then
    redis.call('HSET', state, 'v', '1')
    linger_until('v' .. channel, linger_ms)
  else
    redis.call('SREM', occupied, channel)
  end
end
if count > 0 and idle_ms ~= '' and not held[6] then begin_log(idle_ms, vacant_ms) end
if held[6] and after > 0 and total == 0 then log_occupied(channel) end
if held[6] and after == 0 and total > 0 then log_vacated(channel) end

if tells then
  redis.call('HSET', state, 'x', decimal(now) .. ':' .. decimal(after))
  messages[1] = '#' .. decimal(after)
end
if count == 0 and before > 0 then drop_if_empty() end
publish()
-- Also of a user whose departure lingers: who has begun to watch meanwhile has not seen the user.
if after > 0 and total == 0 then tell_watchers(after) end
if after == 0 and total > 0 and linger_ms == 0 then tell_watchers(0) end
return { 'COUNTED', decimal(after), decimal(math.ceil(due / 1000)) }
