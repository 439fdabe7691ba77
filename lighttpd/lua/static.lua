-- /etc/lighttpd/lua/static.lua: which files below /static/ are given, and how.
local r = lighty.r
local path = r.req_attr["physical.path"]
if r.req_attr["request.method"] ~= "GET" and r.req_attr["request.method"] ~= "HEAD" then return 405 end

-- What is there by mistake, or is no file: hidden files, sources, maps, backups, the manifest, folders.
for _, hidden in ipairs({"/%.", "%.map$", "%.pyc?$", "~$", "%.bak$", "%.orig$", "%.swp$", "%.old$", "/cache_manifest%.json$"}) do
  if r.req_attr["physical.rel-path"]:find(hidden) then return 404 end
end
local file = lighty.c.stat(path)
if not file or not file.is_file then return 404 end

-- A name with a fingerprint never gets another content.
local fingerprint = "%-" .. ("%x"):rep(32) .. "%."
r.resp_header["Cache-Control"] = path:find(fingerprint) and "public, max-age=31536000, immutable" or "no-cache"

-- All text is UTF-8; lighttpd says so of all but scripts.
local type = file["content-type"]
if type == "text/javascript" then r.resp_header["Content-Type"] = type .. "; charset=utf-8" end

-- The file compressed beforehand, in the best way that the client takes.
r.resp_header["Vary"] = "Accept-Encoding"
local accepted = "," .. (r.req_header["Accept-Encoding"] or ""):lower():gsub("%s", "") .. ","
accepted = accepted:gsub(",[^,]*;q=0%.?0*%f[,]", "")
for _, encoding in ipairs({{"br", ".br"}, {"zstd", ".zst"}, {"gzip", ".gz"}}) do
  if accepted:find("," .. encoding[1] .. "[,;]") and lighty.c.stat(path .. encoding[2]) then
    if not r.resp_header["Content-Type"] then r.resp_header["Content-Type"] = type end
    r.resp_header["Content-Encoding"] = encoding[1]
    r.req_attr["physical.path"] = path .. encoding[2]
    break
  end
end
