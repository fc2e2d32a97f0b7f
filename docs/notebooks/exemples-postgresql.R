# Lire en R les tables qu'une équipe reçoit par PostgreSQL (openchronic publish postgres) : la diffusion, puis la
# base d'un projet, sous ses règles (docs/security.md). Chaque requête est journalisée.
# install.packages(c("DBI", "RPostgres")), ou sous Debian : apt-get install r-cran-rpostgresql.
# La connexion est dite par PGHOST, PGPORT, PGDATABASE, PGUSER et PGPASSFILE : aucun mot de passe ici.
# Données individuelles : à lancer dans l'espace sécurisé. Aucun effectif de 1 à 10 n'en sort.

library(DBI)

pilote <- if (requireNamespace("RPostgres", quietly = TRUE)) {
  RPostgres::Postgres()
} else {
  RPostgreSQL::PostgreSQL()
}
base <- dbConnect(pilote)

# 01. Ce qui est servi au projet
projet <- paste0("project_", Sys.getenv("OPENCHRONIC_PROJECT", "etude"))
invisible(dbExecute(base, paste("set search_path to", dbQuoteIdentifier(base, projet))))
tables <- dbGetQuery(base, "
  select table_schema, table_name from information_schema.tables
  where table_schema not in ('pg_catalog', 'information_schema')
  order by 1, 2")
print(tables)

# 02. La population suivie, par département
population <- dbGetQuery(base, "
  select department, count(distinct person_id) as persons
  from person_year
  where year = (select max(year) from person_year)
  group by department
  having count(distinct person_id) >= 11
  order by persons desc")
print(population)
barplot(population$persons, names.arg = population$department, ylab = "personnes")

# 03. Les ALD les plus fréquentes
ald <- dbGetQuery(base, "
  select ald_num, count(distinct person_id) as persons
  from ald_episode
  group by ald_num
  having count(distinct person_id) >= 11
  order by persons desc, ald_num
  limit 10")
print(ald)

# 04. Les durées de séjour en MCO
sejours <- dbGetQuery(base, "
  select least(length_of_stay, 15) as days, count(*) as stays
  from hospital_stay
  where field = 'mco' and is_used_for_stays
  group by 1
  having count(distinct person_id) >= 11
  order by 1")
print(sejours)
plot(sejours$days, sejours$stays, type = "h", xlab = "jours (15 et plus)", ylab = "séjours")

# 05. Un tableau de coûts
couts <- dbGetQuery(base, "
  select item, valuation_scope, sum(spent) as spent, count(distinct person_id) as persons
  from cost
  group by item, valuation_scope
  having count(distinct person_id) >= 11
  order by spent desc nulls last")
print(couts)

# 06. La diffusion, pour un compte qui a le rôle openchronic_release
if (any(tables$table_schema == "release" & tables$table_name == "patient")) {
  diffusion <- dbGetQuery(base, "
    select ald, department, count(*) as patients
    from release.patient
    group by ald, department
    order by patients desc, ald, department
    limit 10")
  print(diffusion)
}

invisible(dbDisconnect(base))
