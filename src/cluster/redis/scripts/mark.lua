-- Notes which endpoints are done with a fact, so that a successor does not tell them again.
local token = ARGV[1]
if redis.call('GET', owner) ~= token then return { 'OTHER' } end
for at = 2, #ARGV, 2 do redis.call('HSET', marks, ARGV[at], ARGV[at + 1]) end
return { 'MARKED' }
