-- Applied in the tracker's database after the accounts: another user of the tracker gets the tables that the previous one made.
DO $$
DECLARE
  owner CONSTANT oid := (SELECT datdba FROM pg_database WHERE datname = current_database());
  relation regclass;
BEGIN
  FOR relation IN
    SELECT oid FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm') AND relowner <> owner
  LOOP
    EXECUTE format('ALTER TABLE %s OWNER TO %I', relation, pg_get_userbyid(owner));
  END LOOP;
END
$$;
