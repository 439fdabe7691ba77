-- /etc/lighttpd/lua/request.lua: what a request may be, before anything is done with it.
local r = lighty.r

-- A request line or a header of more than 8 KiB, more than 100 headers; bytes that no address has.
local target = r.req_attr["request.orig-uri"]
if #target + #r.req_attr["request.method"] + #" HTTP/1.1\r\n" > 8192 then return 414 end
if target:find("[\0-\32#\127-\255]") then return 400 end
local path = target:match("^[^?]*")
if path:find("%00", 1, true) or path:gsub("%%%x%x", ""):find("%", 1, true) then return 400 end
if r.req_attr["request.method"] == "TRACE" then return 405 end
local number, removed = 0, {}
for name, value in pairs(r.req_header) do
  number = number + 1
  if #name + #value + 4 > 8192 or number > 100 then return 431 end
  local known = name:lower()
  if known:find("_", 1, true) or known:find("^x%-forwarded%-") or known == "forwarded"
    or known == "x-real-ip" or known == "proxy" then
    removed[#removed + 1] = name
  end
end

-- What a client says of itself never reaches the application as truth; mod_extforward has read what it trusts.
for _, name in ipairs(removed) do r.req_header[name] = nil end
-- What mod_proxy takes for X-Forwarded-For; else that of a trusted proxy, not the client's behind it.
r.req_env["_L_EXTFORWARD_ACTUAL_FOR"] = r.req_attr["request.remote-addr"]

-- A client's own request id is kept where it is one: 32 hex digits, or in groups of 8-4-4-4-12.
local id = r.req_header["X-Request-ID"] or ""
local digits = id:gsub("^(%x*)%-(%x%x%x%x)%-(%x%x%x%x)%-(%x%x%x%x)%-(%x*)$", "%1%2%3%4%5")
if #digits ~= 32 or digits:find("%X") or id:find("^%x*%-") and #id:match("^%x*") ~= 8 then
  r.req_header["X-Request-ID"] = ("%016x%016x"):format(math.random(0), math.random(0))
end
