-- Writes a fact that is no change of a channel. A miss is told once, until the channel keeps an event or is
-- empty.
local fact, is_miss = ARGV[1], ARGV[2] == '1'
if is_miss and redis.call('HEXISTS', state, 'c') == 1 then return { 'TOLD' } end

write_fact(fact)
-- A state that is made here would stay for ever.
if is_miss and redis.call('EXISTS', state) == 1 then redis.call('HSET', state, 'c', '1') end
return { 'WRITTEN' }
