#!lua
-- Stores an app's key table if that of the generation `expected` is there; empty for none.
local name, topic = unpack(KEYS)
local expected, generation, sealed, notice = unpack(ARGV)
local held = redis.call('GET', name) or ''
-- The answer to the same command was lost.
if held == generation .. sealed then return { 'STORED' } end
if string.sub(held, 1, 8) ~= expected then return { 'CONFLICT' } end
redis.call('SET', name, generation .. sealed)
redis.call('SPUBLISH', topic, notice)
return { 'STORED' }
