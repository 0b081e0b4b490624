-- What ends the events of a log ends the last event too. The positions of readers outlive it while there are
-- subscribers.
local function end_log()
  redis.call('DEL', log, last_event)
  local kept = redis.call('HMGET', state, 'n', 'v')
  if tonumber(kept[1] or '0') > 0 or kept[2] then
    redis.call('HSET', state, 'hb', '0')
  else
    redis.call('HDEL', state, 'h', 'ha', 'hb', 'hc', 'he', 'hi', 'hw', 'hv')
  end
end
