-- Answers once there is a file.
function handle(r)
  while not io.open("/var/www/status-page/go") do
    r.usleep(100000)
  end
  return apache2.OK
end
