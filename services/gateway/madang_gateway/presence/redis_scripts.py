"""The Lua scripts of the presence store; see `redis.py` for the keys.

The first argument of every script is the keys' prefix. The time is that of Redis, the same for all
gateways. A change is four values: room, user, name, and the number of users in the room afterwards.
"""

_COMMON = """
local prefix = ARGV[1]
local gateways, numbers = prefix .. 'gateways', prefix .. 'numbers'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function set_lease(gateway, milliseconds)
  redis.call('ZADD', gateways, string.format('%.0f', now + milliseconds), gateway)
end
"""

_CHANGES = """
local function add_change(changes, room, user, name)
  local n = #changes
  changes[n + 1], changes[n + 2], changes[n + 3] = room, user, name
  changes[n + 4] = redis.call('HLEN', prefix .. 'names:' .. room)
end

local function remove(changes, gateway, room, user)
  local members, names = prefix .. 'room:' .. room, prefix .. 'names:' .. room
  redis.call('ZREM', members, user .. ' ' .. gateway)
  local others = redis.call(
    'ZRANGEBYLEX', members, '[' .. user .. ' ', '(' .. user .. '!', 'LIMIT', 0, 1)
  if #others == 0 then
    local name = redis.call('HGET', names, user)
    if redis.call('HDEL', names, user) == 1 then
      add_change(changes, room, user, name)
    end
  end
end
"""

ENROLL = (
    _COMMON
    + """
local gateway, milliseconds, data_id = ARGV[2], ARGV[3], ARGV[4]
redis.call('SET', prefix .. 'life', data_id, 'NX')
set_lease(gateway, milliseconds)
redis.call('HSET', numbers, gateway, 0)
return redis.call('GET', prefix .. 'life')
"""
)

WRITE = (
    _COMMON
    + _CHANGES
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
  remove(left, gateway, room, user)
end
for i = 5, 4 + 3 * joining, 3 do
  local room, user, name = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  redis.call('ZADD', prefix .. 'room:' .. room, 0, user .. ' ' .. gateway)
  redis.call('SADD', of, room .. ' ' .. user)
  if redis.call('HSET', prefix .. 'names:' .. room, user, name) == 1 then
    add_change(joined, room, user, name)
  end
end
return {1, now, joined, left}
"""
)

RENEW = (
    _COMMON
    + """
local gateway, number, milliseconds, most = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if redis.call('HGET', numbers, gateway) ~= number then
  return {0}
end
set_lease(gateway, milliseconds)
local dead = redis.call(
  'ZRANGEBYSCORE', gateways, '-inf', string.format('%.0f', now), 'LIMIT', 0, most)
return {1, dead}
"""
)

CLEAR = (
    _COMMON
    + _CHANGES
    + """
local dead, limit = ARGV[2], tonumber(ARGV[3])
local expires_at = tonumber(redis.call('ZSCORE', gateways, dead) or math.huge)
if expires_at > now then
  return {1, now, {}}
end
redis.call('HDEL', numbers, dead)
local left = {}
local entries = redis.call('SPOP', prefix .. 'of:' .. dead, limit)
for _, entry in ipairs(entries) do
  local room, user = string.match(entry, '^(%S+) (.*)$')
  remove(left, dead, room, user)
end
if #entries == limit then
  return {0, now, left}
end
redis.call('ZREM', gateways, dead)
return {1, now, left}
"""
)

RETIRE = (
    _COMMON
    + """
local gateway, milliseconds = ARGV[2], ARGV[3]
if redis.call('HEXISTS', numbers, gateway) == 1 then
  set_lease(gateway, milliseconds)
end
return 1
"""
)

PAGE = (
    _COMMON
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
local shown_names = #users > 0 and redis.call('HMGET', names, unpack(users)) or {}
return {now, redis.call('HLEN', names), more, users, shown_names}
"""
)
