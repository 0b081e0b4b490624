-- A dying node is refused, and is born again. Its entry is left to its reaper.
local node, slot, beat = unpack(ARGV)
local held = redis.call('HGET', nodes, node)
if held and string.sub(held, 1, 1) == 'D' then return { 'DYING' } end
local holder = redis.call('HGET', slots, slot)
if holder and holder ~= node then return { 'TAKEN' } end
if not holder then redis.call('HSET', slots, slot, node) end
redis.call('HSET', nodes, node, 'A' .. beat)
return { held and 'HERE' or 'NEW' }
