"""What Redis does in one step, in Lua; see `redis.py` for the keys.

Every script takes the keys' prefix first and tells the time by Redis's clock, so that all gateways
agree. A turn is four values: room, user, name, and how many are in the room afterwards.
"""

_BEGIN = """
local prefix = ARGV[1]
local gateways, numbers = prefix .. 'gateways', prefix .. 'numbers'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function believe(gateway, milliseconds)
  redis.call('ZADD', gateways, string.format('%.0f', now + milliseconds), gateway)
end
"""

_TURNS = """
local function turned(turns, room, user, name)
  local n = #turns
  turns[n + 1], turns[n + 2], turns[n + 3] = room, user, name
  turns[n + 4] = redis.call('HLEN', prefix .. 'names:' .. room)
end

local function take_out(turns, gateway, room, user)
  local members, names = prefix .. 'room:' .. room, prefix .. 'names:' .. room
  redis.call('ZREM', members, user .. ' ' .. gateway)
  local others = redis.call(
    'ZRANGEBYLEX', members, '[' .. user .. ' ', '(' .. user .. '!', 'LIMIT', 0, 1)
  if #others == 0 then
    local name = redis.call('HGET', names, user)
    if redis.call('HDEL', names, user) == 1 then
      turned(turns, room, user, name)
    end
  end
end
"""

ENROLL = (
    _BEGIN
    + """
local gateway, milliseconds, life = ARGV[2], ARGV[3], ARGV[4]
redis.call('SET', prefix .. 'life', life, 'NX')
believe(gateway, milliseconds)
redis.call('HSET', numbers, gateway, 0)
return redis.call('GET', prefix .. 'life')
"""
)

WRITE = (
    _BEGIN
    + _TURNS
    + """
local gateway, number, joining = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local last = tonumber(redis.call('HGET', numbers, gateway) or -1)
if last == number then
  return {1, now, {}, {}}
elseif last ~= number - 1 then
  return {0}
end
redis.call('HSET', numbers, gateway, number)
local of, joined, left = prefix .. 'of:' .. gateway, {}, {}
for i = 5 + 3 * joining, #ARGV, 2 do
  local room, user = ARGV[i], ARGV[i + 1]
  redis.call('SREM', of, room .. ' ' .. user)
  take_out(left, gateway, room, user)
end
for i = 5, 4 + 3 * joining, 3 do
  local room, user, name = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  redis.call('ZADD', prefix .. 'room:' .. room, 0, user .. ' ' .. gateway)
  redis.call('SADD', of, room .. ' ' .. user)
  if redis.call('HSET', prefix .. 'names:' .. room, user, name) == 1 then
    turned(joined, room, user, name)
  end
end
return {1, now, joined, left}
"""
)

RENEW = (
    _BEGIN
    + """
local gateway, number, milliseconds, most = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if redis.call('HGET', numbers, gateway) ~= number then
  return {0}
end
believe(gateway, milliseconds)
local dead = redis.call(
  'ZRANGEBYSCORE', gateways, '-inf', string.format('%.0f', now), 'LIMIT', 0, most)
return {1, dead}
"""
)

CLEAR = (
    _BEGIN
    + _TURNS
    + """
local dead, limit = ARGV[2], tonumber(ARGV[3])
local until_ = tonumber(redis.call('ZSCORE', gateways, dead) or math.huge)
if until_ > now then
  return {1, now, {}}
end
redis.call('HDEL', numbers, dead)
local left = {}
local places = redis.call('SPOP', prefix .. 'of:' .. dead, limit)
for _, place in ipairs(places) do
  local room, user = string.match(place, '^(%S+) (.*)$')
  take_out(left, dead, room, user)
end
if #places == limit then
  return {0, now, left}
end
redis.call('ZREM', gateways, dead)
return {1, now, left}
"""
)

RETIRE = (
    _BEGIN
    + """
local gateway, milliseconds = ARGV[2], ARGV[3]
if redis.call('HEXISTS', numbers, gateway) == 1 then
  believe(gateway, milliseconds)
end
return 1
"""
)

PRESENT = (
    _BEGIN
    + """
local room, after, limit = ARGV[2], ARGV[3], tonumber(ARGV[4])
local members, names = prefix .. 'room:' .. room, prefix .. 'names:' .. room
local from = after == '' and '-' or '[' .. after .. '!'
local users, more = {}, 0
while more == 0 do
  local found = redis.call('ZRANGEBYLEX', members, from, '+', 'LIMIT', 0, limit + 1)
  for _, member in ipairs(found) do
    local user = string.match(member, '^(.*) %S+$')
    if user ~= users[#users] then
      if #users == limit then
        more = 1
        break
      end
      users[#users + 1] = user
    end
  end
  if #found <= limit then
    break
  end
  from = '(' .. found[#found]
end
local shown = #users > 0 and redis.call('HMGET', names, unpack(users)) or {}
return {now, redis.call('HLEN', names), more, users, shown}
"""
)
