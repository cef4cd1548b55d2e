-- The first page: who you are, and what you may try.
local page = require "page"

local yes, no = '<td class="yes">yes', '<td class="no">no'
local things = {
  { '<a href="/public.html">a public page</a>', yes, yes, yes },
  { '<a href="/private/foo.txt">foo\'s private file</a>', no, yes, no },
  { '<a href="/private/bar.txt">bar\'s private file</a>', no, no, yes },
  { '<a href="/passwd.lua">a Lua page that reads <code>/etc/passwd</code></a>', no, no, no },
  { '<form method="post" action="/upload.lua"><input name="text" value="Hello"> ' ..
    '<button>upload</button> by a Lua page</form>', no, yes, yes },
  { '<a href="/script.cgi">a CGI script</a>', yes, yes, yes },
}

function handle(r)
  -- The address as the browser has it: the virtual machine's port 80 is another one outside.
  local host = r:escape_html(r.headers_in["Host"] or "localhost")
  local html = { page.who(r), "\n<p>" }
  for _, user in ipairs { "foo", "bar" } do
    if r.user ~= user then
      html[#html + 1] = ('<a href="http://%s:%s@%s/login-%s">Log in as %s</a> · '):format(user, user, host, user, user)
    end
  end
  html[#html + 1] = r.user and '<a href="/logout">Log out</a> (say <i>Cancel</i> to the question that follows)'
    or "the password is the name"
  html[#html + 1] = "\n<table>\n<tr><th>What<th>"
  local columns = { "anonymous", "foo", "bar" }
  html[#html + 1] = table.concat(columns, "<th>") .. "\n"
  for _, thing in ipairs(things) do
    html[#html + 1] = "<tr><td>" .. thing[1]
    for number, column in ipairs(columns) do
      local cell = thing[number + 1]
      if column == (r.user or "anonymous") then cell = cell:gsub('class="', 'class="you ') end
      html[#html + 1] = cell
    end
    html[#html + 1] = "\n"
  end
  html[#html + 1] = "</table>\n<p>All of it has the same unix permissions for everyone, at the same addresses: " ..
    "what differs is the SELinux context."
  return page.send(r, 200, "mod_selinux", table.concat(html))
end
