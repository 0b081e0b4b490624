-- Ends every script that takes something away. A last number alone keeps no channel.
local function drop_if_empty()
  local kept = redis.call('HMGET', state, 'n', 'v', 'h')
  if tonumber(kept[1] or '0') > 0 or kept[2] or kept[3] then return end
  if redis.call('HLEN', members) > 0 or redis.call('EXISTS', last_event) == 1 then return end
  redis.call('DEL', state)
end
