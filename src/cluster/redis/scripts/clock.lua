local now = micros()
local lowest = tonumber(redis.call('HGET', floor, 'n') or '0')
