//! PostgreSQL with sepgsql: what each web user may have, by the context at the other end of the socket.

use super::Recipe;
use crate::lifecycle::policies::with_module;
use crate::support::certificate::Certificate;
use crate::support::database::Database;
use crate::support::distribution::unix_user;
use crate::support::{Mpm, run};

/// What sepgsql says.
const REFUSED: &str = "ERROR:  SELinux: security policy violation";

const ROWS: &str =
    "INSERT INTO customer VALUES ('Ada', '555', '4000'); INSERT INTO payroll VALUES ('Eve', 1000)";

/// While it lives, the server loads sepgsql; stopped when it goes.
struct Sepgsql(Database);

impl Sepgsql {
    fn start(recipe: &Recipe, certificate: &Certificate) -> Sepgsql {
        let database = Database::start("crm", certificate, recipe.told("hba").trim());
        database.sql(&format!("DROP ROLE IF EXISTS \"{}\"", unix_user()));
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
    recipe.site.script("try.cgi", &recipe.told("cgi"));
    recipe.site.config_file("crm.map", &recipe.told("map"));
    let _policy = with_module();
    let sepgsql = Sepgsql::start(&recipe, &Certificate::new(&recipe.site));
    sepgsql.0.sql(&format!("{}{ROWS}", recipe.told("sql")));
    let more =
        "Alias /denied @ROOT@\n<Location /denied>\nSELinuxDomainVal user_webapp_t:s0:c0\n</Location>\n";
    let httpd = recipe.start(Mpm::Event, &["cgi"], more);
    let ask = |user, sql: &str| {
        let reply = httpd.client().post("/try.cgi", Some(user), "text/plain", sql.as_bytes());
        assert_eq!(reply.status, 200, "{user} {sql}");
        reply.body
    };
    for (user, range) in [("foo", "s0:c0"), ("bar", "s0:c1"), ("staff", "s0:c2,c5")] {
        let context = format!("system_u:system_r:crm_webapp_t:{range}\n");
        assert_eq!(ask(user, "SELECT sepgsql_getcon()"), context);
        assert_eq!(ask(user, "SELECT name, phone FROM customer"), "Ada,555\n", "{user}");
        for sql in [
            "SELECT name FROM payroll",
            // Out of the context, or away with the label.
            "SELECT sepgsql_setcon('system_u:system_r:httpd_t:s0')",
            "SECURITY LABEL ON COLUMN customer.card IS 'system_u:object_r:sepgsql_table_t:s0'",
        ] {
            let told = ask(user, sql);
            assert!(told.contains("ERROR:"), "{user} {sql}: {told}");
        }
    }
    // A column, by category.
    for (user, sql) in [
        ("foo", "SELECT card FROM customer"),
        ("bar", "SELECT card FROM customer"),
        ("foo", "SELECT * FROM customer"),
        ("foo", "UPDATE customer SET card = '0'"),
    ] {
        assert!(ask(user, sql).contains(REFUSED), "{user} {sql}");
    }
    assert_eq!(ask("staff", "SELECT card FROM customer"), "4000\n");
    // Rows, by whose they are: neither read, nor changed, nor forged.
    for user in ["foo", "bar"] {
        ask(user, &format!("INSERT INTO note (line) VALUES ('of {user}')"));
        ask(user, "INSERT INTO note VALUES ('s0:c2,c5', 'forged')");
    }
    ask("bar", "DELETE FROM note WHERE line = 'of foo'");
    let notes = ["foo", "bar", "staff"].map(|user| ask(user, "SELECT owner, line FROM note"));
    assert_eq!(notes, ["s0:c0,of foo\n", "s0:c1,of bar\n", ""]);
    // A domain that is no client gets no connection.
    let reply = httpd.client().post("/denied/try.cgi", Some("foo"), "text/plain", b"SELECT 1");
    assert!(reply.body.contains("Permission denied"), "{}", reply.body);
    httpd.audit.denial(&["scontext=system_u:system_r:user_webapp_t:s0:c0 ", ":postgresql_"]);

    // It is the labels that decide.
    sepgsql.0.sql("SECURITY LABEL ON COLUMN customer.card IS 'system_u:object_r:sepgsql_table_t:s0'");
    sepgsql.0.sql("SECURITY LABEL ON TABLE payroll IS 'system_u:object_r:sepgsql_table_t:s0'");
    sepgsql.0.sql("SECURITY LABEL ON COLUMN payroll.name IS 'system_u:object_r:sepgsql_table_t:s0'");
    assert_eq!(ask("foo", "SELECT card FROM customer"), "4000\n");
    assert_eq!(ask("foo", "SELECT name FROM payroll"), "Eve\n");
}
