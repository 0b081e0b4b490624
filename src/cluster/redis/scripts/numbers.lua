-- A number is a double. `..` would write one above 10^14 as 1.7959364794718e+15.
local function decimal(number) return string.format('%.0f', number) end

local function micros()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end
