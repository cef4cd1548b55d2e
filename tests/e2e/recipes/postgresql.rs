//! PostgreSQL with sepgsql: what each web user may have, by the context at the other end of the socket.

use super::Recipe;
use crate::policies::with_module;
use crate::support::certificate::Certificate;
use crate::support::database::Database;
use crate::support::{Mpm, run};

/// A page with the worst of holes: it runs the SQL that it is sent, and shows all rows.
const PAGE: &str = r#"
function handle(r)
  r.content_type = "text/plain"
  local db = r:dbacquire("pgsql", "host=/var/run/postgresql dbname=crm user=www-data")
  if not db then
    r:puts("no connection")
    return apache2.OK
  end
  local result = db:select(r, r:requestbody())
  for _, row in pairs(result and result(-1) or {}) do
    r:puts(table.concat(row, ","), "\n")
  end
  db:close()
  return apache2.OK
end
"#;

const ROWS: &str =
    "INSERT INTO customer VALUES ('Ada', '555', '4000'); INSERT INTO payroll VALUES ('Eve', 1000)";

/// While it lives, the server loads sepgsql; stopped when it goes.
struct Sepgsql(Database);

impl Sepgsql {
    fn start(recipe: &Recipe, certificate: &Certificate) -> Sepgsql {
        let database = Database::start("crm", certificate, recipe.told("text").trim());
        database.sql("DROP ROLE IF EXISTS \"www-data\"");
        database.sql("ALTER SYSTEM SET shared_preload_libraries = 'sepgsql'");
        let sepgsql = Sepgsql(database);
        sepgsql.0.stop();
        recipe.do_commands();
        sepgsql.0.resume();
        sepgsql
    }
}

impl Drop for Sepgsql {
    fn drop(&mut self) {
        self.0.stop();
        run("sh", &["-c", "sed -i /sepgsql/d /var/lib/postgresql/*/main/postgresql.auto.conf"]);
    }
}

#[test]
fn a_database_gives_each_web_user_what_their_context_may_have() {
    let recipe = Recipe::new("postgresql", "/var/www/crm");
    recipe.site.file("page.lua", PAGE);
    recipe.site.config_file("crm.map", &recipe.told("map"));
    let _policy = with_module();
    let sepgsql = Sepgsql::start(&recipe, &Certificate::new(&recipe.site));
    sepgsql.0.sql(&format!("{}{ROWS}", recipe.told("sql")));
    let more = "AddHandler lua-script .lua\nAlias /denied @ROOT@\n<Location /denied>\n\
                SELinuxDomainVal user_webapp_t:s0:c0\n</Location>\n";
    let httpd = recipe.start(Mpm::Event, &["lua", "dbd"], more);
    let ask = |user, sql: &str| {
        let reply = httpd.client().post("/page.lua", Some(user), "text/plain", sql.as_bytes());
        assert_eq!(reply.status, 200, "{user} {sql}");
        reply.body
    };
    for (user, range) in [("foo", "s0:c0"), ("bar", "s0:c1"), ("staff", "s0:c2,c5")] {
        let context = format!("system_u:system_r:crm_webapp_t:{range}\n");
        assert_eq!(ask(user, "SELECT sepgsql_getcon()"), context);
        assert_eq!(ask(user, "SELECT name, phone FROM customer"), "Ada,555\n", "{user}");
        assert_eq!(ask(user, "SELECT name FROM payroll"), "", "{user}");
        // Out of the context, or away with the label.
        assert_eq!(ask(user, "SELECT sepgsql_setcon('system_u:system_r:httpd_t:s0')"), "", "{user}");
        ask(user, "SECURITY LABEL ON COLUMN customer.card IS 'system_u:object_r:sepgsql_table_t:s0'");
    }
    // A column, by category.
    let cards = ["foo", "bar", "staff"].map(|user| ask(user, "SELECT card FROM customer"));
    assert_eq!(cards, ["", "", "4000\n"]);
    assert_eq!(ask("foo", "SELECT * FROM customer"), "");
    // Rows, by whose they are: neither read, nor changed, nor forged.
    for user in ["foo", "bar"] {
        ask(user, &format!("INSERT INTO note (line) VALUES ('of {user}')"));
        ask(user, "INSERT INTO note VALUES ('s0:c2,c5', 'forged')");
    }
    ask("bar", "DELETE FROM note WHERE line = 'of foo'");
    let notes = ["foo", "bar", "staff"].map(|user| ask(user, "SELECT owner, line FROM note"));
    assert_eq!(notes, ["s0:c0,of foo\n", "s0:c1,of bar\n", ""]);
    // A domain that is no client gets no connection.
    let reply = httpd.client().post("/denied/page.lua", Some("foo"), "text/plain", b"SELECT 1");
    assert_eq!(reply.body, "no connection");
    httpd.audit.denial(&["scontext=system_u:system_r:user_webapp_t:s0:c0 ", "tclass=unix_stream_socket"]);

    // It is the labels that decide.
    sepgsql.0.sql("SECURITY LABEL ON COLUMN customer.card IS 'system_u:object_r:sepgsql_table_t:s0'");
    sepgsql.0.sql("SECURITY LABEL ON TABLE payroll IS 'system_u:object_r:sepgsql_table_t:s0'");
    sepgsql.0.sql("SECURITY LABEL ON COLUMN payroll.name IS 'system_u:object_r:sepgsql_table_t:s0'");
    assert_eq!(ask("foo", "SELECT card FROM customer"), "4000\n");
    assert_eq!(ask("foo", "SELECT name FROM payroll"), "Eve\n");
}
