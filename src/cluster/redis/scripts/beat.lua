-- A dying node is refused, and is born again. Its entry is left to its reaper.
local node, slot, beat = unpack(ARGV)
local held = redis.call('HGET', nodes, node)
if held and string.sub(held, 1, 1) == 'D' then return { 'DYING' } end
local holder = redis.call('HGET', slots, slot)
if holder ~= node then
  -- A holder without an entry is gone. It may have lost its slot and not have known of this one.
  if holder and redis.call('HEXISTS', nodes, holder) == 1 then return { 'TAKEN' } end
  redis.call('HSET', slots, slot, node)
end
redis.call('HSET', nodes, node, 'A' .. beat)
return { held and 'HERE' or 'NEW' }
