package postgres

// sessionSQL returns a query that prepares a session: text travels as UTF-8, and
// nothing ends the session while another stage is slow. own are the connector's
// further settings, each as ", ('name', 'value')". Settings that the server's
// version lacks are left out. The function is asked, and not the view
// pg_settings: in a new session the view takes a millisecond longer.
func sessionSQL(own string) string {
	return "SELECT pg_catalog.count(pg_catalog.set_config(v.name, v.value, false))" +
		" FROM (VALUES ('client_encoding', 'UTF8'), ('statement_timeout', '0'), ('idle_in_transaction_session_timeout', '0')," +
		" ('transaction_timeout', '0'), ('idle_session_timeout', '0')" + own + ") v(name, value)" +
		" WHERE pg_catalog.current_setting(v.name, true) IS NOT NULL"
}
