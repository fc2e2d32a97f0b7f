# Les carnets 01 à 05 en R, par le client DuckDB : la première façon, sur la machine de la base. Les tests
# exécutent ces requêtes, par le même moteur, mais pas R lui-même : son client DuckDB n'est dans aucun paquet de
# Debian. À distance, par PostgreSQL : exemples-postgresql.R, que les tests exécutent en R.
# install.packages(c("DBI", "duckdb")) ; le catalogue s'ouvre dès duckdb 1.2.
# Données individuelles : à lancer dans l'espace sécurisé. Aucun effectif de 1 à 10 n'en sort.

library(DBI)

dossier <- Sys.getenv("OPENCHRONIC_HOME", "data")
catalogue <- dbConnect(
  duckdb::duckdb(), file.path(dossier, "lake", "catalogue.duckdb"), read_only = TRUE
)

# 01. Ouvrir le catalogue
dbGetQuery(catalogue, "select build_id, flux_cutoff from meta.build")

# 02. Prévalence par département
prevalence <- dbGetQuery(catalogue, "
  select geo_code, value, ci_low, ci_high
  from indicator
  where indicator_id = 'ald_prevalence' and condition = 'ald_08' and geo_level = 'department'
    and sex = 'all' and age_group = 'all' and denominator_type = 'consumers'
    and std_method = 'direct_esp2013' and value is not null and numerator >= 11
  qualify year = max(year) over ()
  order by value desc")
barplot(prevalence$value, names.arg = prevalence$geo_code, ylab = "%", main = "ALD 8")

# 03. Un parcours
dbGetQuery(catalogue, "
  select pathway, from_state, to_state, person_count, transition_count
  from pathway_transition
  where period = 'after' and person_count >= 11
  order by transition_count desc limit 15")

# 04. Une courbe de survie
courbe <- dbGetQuery(catalogue, "
  select day, survival, ci_low, ci_high
  from survival_curve
  where condition = 'all' and at_risk >= 11 and survival is not null
  qualify year = max(year) over ()
  order by day")
plot(courbe$day, courbe$survival, type = "s", xlab = "jours", ylab = "survie")
lines(courbe$day, courbe$ci_low, type = "s", lty = 2)
lines(courbe$day, courbe$ci_high, type = "s", lty = 2)

# 05. Un tableau de coûts
dbGetQuery(catalogue, "
  select condition, item, valuation_scope, sum(spent) as spent
  from spend_item
  where person_count >= 11
  group by all
  order by spent desc")

dbDisconnect(catalogue, shutdown = TRUE)
