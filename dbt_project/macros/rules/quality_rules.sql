{#
    The quality rules, each one object: what it flags, in which table, why, and which uses of the
    data leave its rows out. Nothing is deleted: a rule is a boolean column of the rows, true where
    it flags, never NULL.

    table: the delivered table that it reads. flag: the column that carries it. when: the condition,
    over the columns of the model that computes the flag; a NULL condition flags nothing, so a rule
    that must flag what is missing says so itself (`missing` tells). uses: which uses leave flagged
    rows out, in the order of this file; none = information for the reader. source: where the rule
    is documented.

    docs/quality-rules.md is written from here (python -m openchronic_assets.warehouse.rules).
#}
{% macro quality_rules() %}
{% set text %}
- rule: information_line
  table: ER_PRS_F
  flag: is_information_line
  when: expense_qualifier = 71 or sent_expense_qualifier = 71
  missing: not flagged
  uses: [care]
  fr: Ligne transmise pour information (qualificatif 71), acte externe public que le PMSI porte aussi.
  en: Line sent for information (qualifier 71), public outpatient care that the PMSI carries too.
  source: "CNAM, L'essentiel du SNDS"
- rule: information_amount
  table: ER_PRS_F
  flag: is_information_amount
  when: >-
    (expense_qualifier = 71 or sent_expense_qualifier = 71)
    and not (
      coalesce(expense_qualifier, 0) = 0 and coalesce(sent_expense_qualifier, 0) = 71
      and coalesce(complement_type, 0) = 16
    )
  missing: not flagged
  uses: [spending]
  fr: >-
    Euros d'une ligne pour information, sauf ceux d'une participation forfaitaire (qualificatif 0,
    transmis 71, complément 16), qui est réelle.
  en: >-
    Euros of an information line, except those of a flat-rate contribution (qualifier 0, sent 71,
    complement 16), which is real.
  source: "CNAM, foire aux questions du DCIR"
- rule: public_double_transmission
  table: ER_PRS_F
  flag: is_public_t2a
  when: activity_funding = 1
  missing: not flagged
  uses: [care, spending]
  fr: Facturé par un hôpital public tarifé à l'activité (ETE_IND_TAA = 1), déjà présent dans le PMSI.
  en: Billed by a public hospital funded by activity (ETE_IND_TAA = 1), already in the PMSI.
  source: "Health Data Hub, fiches prestations du DCIR et actes et consultations externes"
- rule: supplement
  table: ER_PRS_F
  flag: is_supplement
  when: complement_level >= 2
  missing: not flagged
  uses: [care]
  fr: Majoration, franchise ou participation (CPL_MAJ_TOP = 2) et non un acte ; ses euros comptent.
  en: Supplement, deductible or contribution (CPL_MAJ_TOP = 2), not an act; its euros count.
  source: "CNAM, L'essentiel du SNDS ; fiche prestation"
- rule: complement_only
  table: ER_PRS_F
  flag: is_complement_only
  when: base_nature_code = 0
  missing: not flagged
  uses: [care]
  fr: Complément d'acte seul (BSE_PRS_NAT = 0) ; ses euros comptent.
  en: Complement of an act alone (BSE_PRS_NAT = 0); its euros count.
  source: "SCALPEL-Extraction, DcirSource"
- rule: regularised
  table: ER_PRS_F
  flag: is_regularised
  when: quantity < 0 or (quantity > 0 and net_quantity = 0)
  missing: not flagged
  uses: [care]
  fr: >-
    Régularisation (quantité négative), ou ligne qu'une régularisation annule en entier. Quantités
    compensées par règle entre lignes de même personne, même jour, même nature, même complément et
    même exécutant, jamais par dédoublonnage ; les euros, négatifs compris, comptent.
  en: >-
    Regularisation (negative quantity), or a line that one cancels whole. Quantities are netted by
    rule among lines of the same person, day, nature, complement and performer, never by distinct;
    euros count, negative ones included.
  source: "Health Data Hub, fiche prestations du DCIR ; chaîne OMOP, étape dcir_intermediaire"
- rule: without_quantity
  table: ER_PRS_F
  flag: is_without_quantity
  when: coalesce(quantity, 0) = 0
  missing: flagged
  uses: [care]
  fr: Quantité nulle ou absente, la ligne ne porte aucun acte ; ses euros comptent.
  en: Quantity zero or missing, the line carries no act; its euros count.
  source: "Health Data Hub, fiche prestations du DCIR"
- rule: fictitious_nir
  table: ER_PRS_F
  flag: is_fictitious
  when: person_status = 'fictitious'
  missing: not flagged
  uses: [persons]
  fr: >-
    Numéro fictif (01, 05, 06, 08, 09, 11 à 15) : compté dans les euros, rattaché à personne et
    absent des statistiques de personnes. 99, NN et l'absence ne sont pas fictifs.
  en: >-
    Fictitious number (01, 05, 06, 08, 09, 11 to 15): counted in euros, linked to nobody and out of
    statistics of people. 99, NN and missing are not fictitious.
  source: "Health Data Hub, fiche bénéficiaire ; nomenclature IR_NIR_V"
- rule: public_hospital
  table: ER_PRS_F
  flag: is_public_hospital
  when: >-
    activity_funding = 1
    or (
      activity_funding = 0 and public_private_sector = 1
      and establishment_category in (101, 355, 131, 106, 122, 365, 128, 129)
      and treatment_mode in (0, 3, 7, 10)
    )
  missing: not flagged
  uses: []
  fr: Exécuté à l'hôpital public, tarifé à l'activité ou non ; à écarter pour isoler ville et privé.
  en: Performed in a public hospital, funded by activity or not; leave out to isolate city and private.
  source: "Health Data Hub, fiche établissements de santé"
- rule: repeated_line
  table: ER_PRS_F
  flag: is_duplicate_key
  when: copy_number > 1
  missing: not flagged
  uses: []
  fr: Les neuf clés se répètent dans l'année de soins ; gardée, car deux lignes vraies se ressemblent.
  en: The nine keys repeat within the care year; kept, because two true lines can look alike.
  source: "Schéma SNDS, clé primaire d'ER_PRS_F"
- rule: amounts_inconsistent
  table: ER_PRS_F
  flag: has_inconsistent_amounts
  when: >-
    abs(reimbursed_amount) > abs(base_amount) or abs(reimbursed_amount) > abs(paid_amount)
  missing: not flagged
  uses: []
  fr: >-
    Remboursé supérieur à la base ou à la dépense, au signe près (une régularisation est négative).
    Les euros comptent tels que transmis.
  en: >-
    Reimbursed above the base or above what was spent, whatever the sign (a regularisation is
    negative). Euros count as delivered.
  source: "Health Data Hub, fiche montant des soins de ville ; règle de ce projet"
- rule: unknown_exemption
  table: ER_PRS_F
  flag: has_unknown_exemption
  when: >-
    exemption_code not in (
      0, 10, 20, 21, 30, 41, 42, 43, 44, 45, 46, 47, 51, 54, 55, 56, 57, 62, 63, 81, 82, 91, 92
    )
  missing: not flagged
  uses: []
  fr: >-
    Motif d'exonération absent de la nomenclature IR_EXO_V, ou 99 (valeur inconnue) : ni exonéré ni
    non exonéré dans les dépenses.
  en: >-
    Exemption code that nomenclature IR_EXO_V does not hold, or 99 (unknown value): neither exempted
    nor not in spending.
  source: "Nomenclature IR_EXO_V"
- rule: complement_without_act
  table: ER_PRS_F
  flag: is_complement_without_act
  when: is_complement_only and not has_act_that_day
  missing: not flagged
  uses: []
  fr: >-
    Complément d'acte (BSE_PRS_NAT = 0) sans acte de la même personne le même jour ; sans personne ni
    date on ne peut le dire. Ses euros comptent.
  en: >-
    Complement of an act (BSE_PRS_NAT = 0) without an act of the same person that day; without person
    or date it cannot be told. Its euros count.
  source: "Règle de ce projet [A]"
- rule: care_after_death
  table: ER_PRS_F
  flag: is_after_death
  when: care_date > death_date
  missing: not flagged
  uses: []
  fr: >-
    Soins datés après le décès connu de la personne (mort avant les soins) ; la ligne et ses euros
    restent.
  en: >-
    Care dated after the known death of the person (dead before care); the line and its euros stay.
  source: "Open Chronic ; ordre des sources de décès, décision 7"
- rule: exemption_without_person
  table: ER_PRS_F
  flag: is_exemption_without_person
  when: has_ald_exemption and person_id is null
  missing: not flagged
  uses: []
  fr: >-
    Exonération d'ALD (motifs 41 à 46) d'une ligne rattachée à personne : elle compte dans les euros,
    dans aucune population d'ALD.
  en: >-
    ALD exemption (codes 41 to 46) of a line linked to nobody: it counts in euros, in no ALD
    population.
  source: "Open Chronic"

- rule: finess_duplicate
  table: T_MCOaaB
  flag: is_finess_duplicate
  when: year <= 2017 and duplicate_finess is not null
  missing: not flagged
  uses: [stays, persons, spending]
  fr: >-
    Site géographique de l'AP-HP, de l'AP-HM ou des HCL : jusqu'en 2017 le même séjour est transmis
    par l'entité juridique.
  en: Site of AP-HP, AP-HM or HCL; until 2017 the legal entity sends the same stay.
  source: "Health Data Hub, fiche dépenses de l'hôpital public ; CNAM, L'essentiel du SNDS"
- rule: error_group
  table: T_MCOaaB
  flag: is_error_ghm
  when: ghm_code like '90%'
  missing: not flagged
  uses: [stays, persons, spending]
  fr: Groupe en erreur (GHM en 90).
  en: Group in error (GHM beginning with 90).
  source: "Health Data Hub, requête type PMSI MCO"
- rule: generated_summary
  table: T_MCOaaB
  flag: is_generated
  when: generation_type <> '0'
  missing: not flagged
  uses: [stays, persons, spending]
  fr: Résumé engendré automatiquement (TYP_GEN_RSA, depuis 2015).
  en: Summary generated automatically (TYP_GEN_RSA, since 2015).
  source: "Health Data Hub, fiche dépenses de l'hôpital public"
- rule: service_for_other_hospital
  table: T_MCOaaB
  flag: is_service_for_other_hospital
  when: stay_type = 'B' or entry_mode = '0' or exit_mode = '0'
  missing: not flagged
  uses: [stays, persons, spending]
  fr: >-
    Prestation inter-établissement (SEJ_TYP = B, ou mode 0 à l'entrée ou à la sortie) : l'hôpital
    demandeur porte aussi le séjour.
  en: >-
    Service for another hospital (SEJ_TYP = B, or mode 0 at entry or exit), which carries the stay
    too.
  source: "CNAM, L'essentiel du SNDS ; fiche dépenses de l'hôpital public"
- rule: session
  table: T_MCOaaB
  flag: is_session
  when: ghm_code like '28%'
  missing: not flagged
  uses: [stays]
  fr: Séances (GHM en 28) ; elles se comptent par NBR_SEA, à part des séjours.
  en: Sessions (GHM beginning with 28), counted by NBR_SEA, apart from stays.
  source: "Schéma SNDS, T_MCOaaB.SEJ_NBJ"
- rule: repeated_stay
  table: T_MCOaaB
  flag: is_duplicate_key
  when: copy_number > 1
  missing: not flagged
  uses: [stays, persons, spending]
  fr: Année, établissement et numéro déjà vus ; un résumé n'existe qu'une fois.
  en: Year, establishment and number already seen; a summary exists once.
  source: "Schéma SNDS, clés du PMSI MCO"
- rule: without_patient_key
  table: T_MCOaaB
  flag: is_without_key
  when: psa is null
  missing: flagged
  uses: [persons]
  fr: Sans chaînage, ou pseudonyme absent ou de remplissage (xxxxxxxx…).
  en: Without chaining, or the pseudonym is missing or a filler (xxxxxxxx…).
  source: "CNAM, L'essentiel du SNDS"
- rule: bad_chaining_return
  table: T_MCOaaB
  flag: has_bad_return
  when: not good_returns
  missing: not flagged where the code does not exist that year, else flagged
  uses: [persons]
  fr: >-
    Un code retour du chaînage n'est pas 0 : NIR, naissance, sexe, séjour, FHO, PMS ; date depuis
    2006 ; cohérence de naissance et de sexe depuis 2013. Séjour compté, patient non suivi.
  en: >-
    A chaining return code is not 0: NIR, birth, sex, stay, FHO, PMS; date since 2006; coherence of
    birth and sex since 2013. The stay counts, the patient is not followed.
  source: "CNAM, L'essentiel du SNDS ; Santé publique France, guide, annexe 12"
- rule: other_year
  table: T_MCOaaB
  flag: is_other_year
  when: year(discharge_date) <> year
  missing: not flagged
  uses: []
  fr: La date de sortie tombe une autre année que la table.
  en: The discharge date falls in another year than the table.
  source: "Schéma SNDS, tables annuelles du PMSI"
- rule: unpriced_stay
  table: T_MCOaaB
  flag: is_unpriced
  when: ghs_number = '9999'
  missing: not flagged
  uses: []
  fr: Séjour sans tarif (GHS 9999).
  en: Stay without a tariff (GHS 9999).
  source: "SCALPEL-Extraction, McoSource"
- rule: not_valued
  table: T_MCOaaB
  flag: is_not_valued
  when: coalesce(valuation_code, '0') not in ('1', '2', '3', '4', '5')
  missing: flagged
  uses: [spending]
  fr: >-
    Séjour non valorisé (T_MCOaaVALO.VALO hors de 1 à 5, ou absent) ; les cliniques sont dans le DCIR.
  en: >-
    Stay not valued (T_MCOaaVALO.VALO other than 1 to 5, or missing); clinics are in the DCIR.
  source: "Health Data Hub, fiche dépenses de l'hôpital public"

- rule: without_chaining_row
  table: T_MCOaaB
  flag: is_without_chaining
  when: not has_chaining
  missing: flagged
  uses: []
  fr: Séjour sans ligne de chaînage (T_MCOaaC) ; ni personne, ni dates.
  en: Stay without its chaining row (T_MCOaaC); no person, no dates.
  source: "Schéma SNDS, T_MCOaaC"
- rule: without_dates
  table: T_MCOaaB
  flag: is_without_dates
  when: entry_date is null or discharge_date is null
  missing: flagged
  uses: []
  fr: Date d'entrée ou de sortie absente (toutes avant 2009).
  en: Date of entry or discharge missing (all of them before 2009).
  source: "Schéma SNDS, T_MCOaaC"
- rule: discharge_before_entry
  table: T_MCOaaB
  flag: is_discharge_before_entry
  when: discharge_date < entry_date
  missing: not flagged
  uses: []
  fr: Sortie avant l'entrée ; hors des épisodes.
  en: Discharge before entry; out of episodes.
  source: "Schéma SNDS, T_MCOaaC"
- rule: length_unlike_dates
  table: T_MCOaaB
  flag: is_length_unlike_dates
  when: length_of_stay <> date_nights
  missing: not flagged
  uses: []
  fr: La durée (SEJ_NBJ) n'est pas l'écart des dates.
  en: The length (SEJ_NBJ) is not the gap between the dates.
  source: "Schéma SNDS, T_MCOaaB.SEJ_NBJ"
- rule: without_main_diagnosis
  table: T_MCOaaB
  flag: is_without_diagnosis
  when: main_diagnosis is null
  missing: flagged
  uses: []
  fr: Séjour sans diagnostic principal.
  en: Stay without a main diagnosis.
  source: "Schéma SNDS, T_MCOaaB.DGN_PAL"

- rule: not_followed
  table: T_MCOaaC
  flag: is_not_followed
  when: not is_followed
  missing: not flagged
  uses: [episodes]
  fr: >-
    Séjour MCO de personne, mal chaîné, en double, en erreur ou engendré : dans aucun épisode. Une
    prestation pour un autre établissement y reste.
  en: >-
    MCO stay of nobody, badly chained, double, in error or generated: in no episode. A service for
    another hospital stays in.
  source: "CNAM, L'essentiel du SNDS"
- rule: session_apart
  table: T_MCOaaC
  flag: is_session_apart
  when: is_session
  missing: not flagged
  uses: [episodes]
  fr: Séances (GHM en 28), à part des épisodes.
  en: Sessions (GHM beginning with 28), apart from episodes.
  source: "DGOS et ATIH, réhospitalisation à 30 jours"
- rule: unusable_dates
  table: T_MCOaaC
  flag: has_unusable_dates
  when: entry_date is null or end_date is null or end_date < entry_date
  missing: flagged
  uses: [episodes]
  fr: Date d'entrée ou de sortie absente, ou sortie avant l'entrée ; dans aucun épisode.
  en: Date of entry or discharge missing, or discharge before entry; in no episode.
  source: "Schéma SNDS, T_MCOaaC"
- rule: overlapping_stay
  table: T_MCOaaC
  flag: is_overlapping
  when: is_crossed
  missing: not flagged
  uses: []
  fr: >-
    Séjour qui en chevauche un autre de la même personne dans un autre établissement, prestations
    pour un autre établissement à part.
  en: >-
    Stay that overlaps another of the same person in another establishment, services for another
    hospital apart.
  source: "Open Chronic"
- rule: stay_after_death
  table: T_MCOaaC
  flag: is_after_death
  when: entry_date > death_date
  missing: not flagged
  uses: []
  fr: Entrée après le décès connu de la personne ; son épisode n'est pas un séjour source.
  en: Entry after the known death of the person; its episode is no index episode.
  source: "Open Chronic"

- rule: act_without_stay
  table: T_MCOaaA
  flag: is_without_stay
  when: stay_id is null
  missing: flagged
  uses: [care]
  fr: Acte d'un séjour qui n'a pas été livré.
  en: Procedure of a stay that was not delivered.
  source: "Schéma SNDS, clés du PMSI MCO"
- rule: act_without_code
  table: T_MCOaaA
  flag: is_without_code
  when: procedure_code is null
  missing: flagged
  uses: [care]
  fr: Acte sans code CCAM, non compté.
  en: Procedure without a CCAM code, not counted.
  source: "Schéma SNDS, T_MCOaaA.CDC_ACT"
- rule: act_outside_stay
  table: T_MCOaaA
  flag: is_outside_stay
  when: procedure_date < entry_date or procedure_date > discharge_date
  missing: not flagged
  uses: []
  fr: Acte hors des dates de son séjour ; il compte.
  en: Procedure outside the dates of its stay; it counts.
  source: "Schéma SNDS, T_MCOaaA.ENT_DAT_DEL"

- rule: finess_duplicate
  table: T_SSRaaB
  flag: is_finess_duplicate
  when: year <= 2017 and duplicate_finess is not null
  missing: not flagged
  uses: [stays, persons]
  fr: >-
    Site géographique de l'AP-HP, de l'AP-HM ou des HCL, transmis aussi par l'entité juridique jusqu'en 2017.
  en: >-
    Site of AP-HP, AP-HM or HCL; until 2017 the legal entity sends the same stay.
  source: "SCALPEL-Extraction, DoublonFinessPmsi"
- rule: error_group
  table: T_SSRaaB
  flag: is_error_group
  when: gme_code like '90%'
  missing: not flagged
  uses: [stays, persons]
  fr: >-
    Groupe en erreur (GME en 90) ; absent avant 2013, et alors pas en erreur.
  en: >-
    Group in error (GME beginning with 90); absent before 2013, and then not in error.
  source: "Health Data Hub, fiche dépenses de l'hôpital public"
- rule: generated_summary
  table: T_SSRaaB
  flag: is_generated
  when: generation_type <> '0'
  missing: not flagged
  uses: [stays, persons]
  fr: >-
    Résumé engendré automatiquement (TYP_GEN_RHA, depuis 2015).
  en: >-
    Summary generated automatically (TYP_GEN_RHA, since 2015).
  source: "Health Data Hub, fiche dépenses de l'hôpital public"
- rule: repeated_week
  table: T_SSRaaB
  flag: is_duplicate_key
  when: copy_number > 1
  missing: not flagged
  uses: [stays, persons]
  fr: >-
    Semaine déjà vue dans le séjour et l'année.
  en: >-
    Week already seen in the stay and year.
  source: "Schéma SNDS, clés du PMSI"
- rule: without_patient_key
  table: T_SSRaaB
  flag: is_without_key
  when: psa is null
  missing: flagged
  uses: [persons]
  fr: >-
    Sans chaînage, ou pseudonyme absent ou de remplissage.
  en: >-
    Without chaining, or the pseudonym is missing or a filler.
  source: "CNAM, L'essentiel du SNDS"
- rule: bad_chaining_return
  table: T_SSRaaB
  flag: has_bad_return
  when: not good_returns
  missing: not flagged where the code does not exist that year, else flagged
  uses: [persons]
  fr: >-
    Un code retour du chaînage n'est pas 0.
  en: >-
    A chaining return code is not 0.
  source: "CNAM, L'essentiel du SNDS ; Santé publique France, guide, annexe 12"

- rule: finess_duplicate
  table: T_HADaaB
  flag: is_finess_duplicate
  when: year <= 2017 and duplicate_finess is not null
  missing: not flagged
  uses: [stays, persons]
  fr: >-
    Site géographique de l'AP-HP, de l'AP-HM ou des HCL, transmis aussi par l'entité juridique jusqu'en 2017.
  en: >-
    Site of AP-HP, AP-HM or HCL; until 2017 the legal entity sends the same stay.
  source: "SCALPEL-Extraction, DoublonFinessPmsi"
- rule: error_group
  table: T_HADaaB
  flag: is_error_group
  when: ghpc_code like '99%'
  missing: not flagged
  uses: [stays, persons]
  fr: >-
    Groupe en erreur (GHPC en 99).
  en: >-
    Group in error (GHPC beginning with 99).
  source: "Health Data Hub, fiche dépenses de l'hôpital public"
- rule: repeated_subsequence
  table: T_HADaaB
  flag: is_duplicate_key
  when: copy_number > 1
  missing: not flagged
  uses: [stays, persons]
  fr: >-
    Sous-séquence déjà vue dans le séjour et l'année.
  en: >-
    Sub-sequence already seen in the stay and year.
  source: "Schéma SNDS, clés du PMSI"
- rule: without_patient_key
  table: T_HADaaB
  flag: is_without_key
  when: psa is null
  missing: flagged
  uses: [persons]
  fr: >-
    Sans chaînage, ou pseudonyme absent ou de remplissage.
  en: >-
    Without chaining, or the pseudonym is missing or a filler.
  source: "CNAM, L'essentiel du SNDS"
- rule: bad_chaining_return
  table: T_HADaaB
  flag: has_bad_return
  when: not good_returns
  missing: not flagged where the code does not exist that year, else flagged
  uses: [persons]
  fr: >-
    Un code retour du chaînage n'est pas 0. En 2010, FHO et PMS non transmis ne comptent pas.
  en: >-
    A chaining return code is not 0. In 2010, FHO and PMS that were not sent do not count.
  source: "CNAM, L'essentiel du SNDS ; Santé publique France, guide, annexe 12"

- rule: repeated_sequence
  table: T_RIPaaRSA
  flag: is_duplicate_key
  when: copy_number > 1
  missing: not flagged
  uses: [stays, persons]
  fr: >-
    Séquence déjà vue dans le séjour et l'année.
  en: >-
    Sequence already seen in the stay and year.
  source: "Schéma SNDS, clés du PMSI"
- rule: without_patient_key
  table: T_RIPaaRSA
  flag: is_without_key
  when: psa is null
  missing: flagged
  uses: [persons]
  fr: >-
    Sans chaînage, ou pseudonyme absent ou de remplissage.
  en: >-
    Without chaining, or the pseudonym is missing or a filler.
  source: "CNAM, L'essentiel du SNDS"
- rule: bad_chaining_return
  table: T_RIPaaRSA
  flag: has_bad_return
  when: not good_returns
  missing: not flagged where the code does not exist that year, else flagged
  uses: [persons]
  fr: >-
    Un code retour du chaînage n'est pas 0.
  en: >-
    A chaining return code is not 0.
  source: "CNAM, L'essentiel du SNDS ; Santé publique France, guide, annexe 12"

- rule: legal_entity_duplicate
  table: T_MCOaaCSTC
  flag: is_legal_entity_duplicate
  when: finess in ('130786049', '750712184')
  missing: not flagged
  uses: [care, persons, spending]
  fr: >-
    Entités juridiques de l'AP-HM et de l'AP-HP, dont les venues sont aussi transmises par site.
  en: >-
    Legal entities of AP-HM and AP-HP, whose visits are sent by site too.
  source: "Health Data Hub, fiche actes et consultations externes"
- rule: repeated_visit
  table: T_MCOaaCSTC
  flag: is_duplicate_key
  when: copy_number > 1
  missing: not flagged
  uses: [care, persons, spending]
  fr: >-
    Venue déjà vue dans l'établissement et l'année.
  en: >-
    Visit already seen in the establishment and year.
  source: "Schéma SNDS, clés du PMSI"
- rule: without_patient_key
  table: T_MCOaaCSTC
  flag: is_without_key
  when: psa is null
  missing: flagged
  uses: [persons]
  fr: >-
    Sans chaînage, ou pseudonyme absent ou de remplissage.
  en: >-
    Without chaining, or the pseudonym is missing or a filler.
  source: "CNAM, L'essentiel du SNDS"
- rule: bad_chaining_return
  table: T_MCOaaCSTC
  flag: has_bad_return
  when: not good_returns
  missing: not flagged where the code does not exist that year, else flagged
  uses: [persons]
  fr: >-
    Un code retour du chaînage n'est pas 0. NIR, naissance, sexe, numéro administratif ; date d'entrée depuis 2009.
  en: >-
    A chaining return code is not 0. NIR, birth, sex, administrative number; date of entry since 2009.
  source: "CNAM, L'essentiel du SNDS ; Santé publique France, guide, annexe 12"

- rule: line_left_out
  table: ER_PHA_F
  flag: is_line_left_out
  when: not coalesce(is_used_for_care, false)
  missing: flagged
  uses: [exposure]
  fr: >-
    La ligne de remboursement, ou la quantité, est écartée du soin par une règle d'ER_PRS_F
    (information, double transmission, complément, régularisation, quantité nulle).
  en: >-
    The reimbursement line, or the quantity, is left out of care by a rule of ER_PRS_F (information,
    double transmission, supplement, regularisation, no quantity).
  source: "Règles d'ER_PRS_F"
- rule: without_person
  table: ER_PHA_F
  flag: is_without_person
  when: person_id is null
  missing: flagged
  uses: [exposure]
  fr: Délivrance rattachée à personne (voir person_status) ; elle compte dans les boîtes.
  en: Dispensing linked to nobody (see person_status); it counts in boxes.
  source: "CNAM, L'essentiel du SNDS"
- rule: without_date
  table: ER_PHA_F
  flag: is_without_date
  when: dispensing_date is null
  missing: flagged
  uses: [exposure]
  fr: Date de délivrance absente (ou 1600) ; la ligne reste dans son année de flux.
  en: Missing date of dispensing (or 1600); the line stays in its flux year.
  source: "Health Data Hub, fiche médicament"
- rule: without_class
  table: ER_PHA_F
  flag: is_without_class
  when: length(coalesce(atc_class, '')) < 5
  missing: flagged
  uses: [exposure]
  fr: >-
    Classe ATC inconnue, ou de moins de cinq caractères : code absent d'IR_PHA_R, ou sans classe
    (atc_status dit pourquoi).
  en: >-
    ATC class unknown, or shorter than five characters: the code is not in IR_PHA_R, or has no class
    there (atc_status says why).
  source: "Health Data Hub, fiche médicament"
- rule: absurd_quantity
  table: ER_PHA_F
  flag: is_absurd_quantity
  when: abs(quantity) > 30
  missing: not flagged
  uses: [exposure]
  fr: >-
    Plus de trente boîtes sur une ligne [A] : saisie en unités ou erreur ; écartée de l'exposition,
    comme SCALPEL met à zéro les achats hors bornes.
  en: >-
    More than thirty boxes on a line [A]: keyed in units, or a mistake; left out of exposure, as
    SCALPEL sets purchases out of bounds to zero.
  source: "SCALPEL-Extraction, achats de médicaments ; seuil d'Open Chronic"
- rule: without_pack_size
  table: ER_PHA_F
  flag: is_without_pack_size
  when: units_per_pack is null
  missing: flagged
  uses: []
  fr: >-
    Nombre d'unités de la boîte inconnu ; la durée vient du conditionnement (30 ou 90 jours).
  en: >-
    Number of units of the box unknown; the days come from the size of the pack (30 or 90 days).
  source: "IR_PHA_R, PHA_UNT_NBR_DSES"
- rule: before_prescription
  table: ER_PHA_F
  flag: is_before_prescription
  when: dispensing_date < prescription_date
  missing: not flagged
  uses: []
  fr: Délivré avant la date de prescription ; la date de délivrance est gardée.
  en: Dispensed before the date of prescription; the date of dispensing is kept.
  source: "Schéma SNDS, ER_PRS_F.PRE_PRE_DTD"
- rule: negative_without_positive
  table: ER_PHA_F
  flag: is_negative_without_positive
  when: quantity < 0 and coalesce(total_quantity, -1) < 0
  missing: not flagged
  uses: []
  fr: >-
    Quantité négative sans la positive qu'elle reprend (même personne, jour, nature, complément,
    pharmacie et code), ou de personne : rien n'est retranché ailleurs.
  en: >-
    Negative quantity without the positive one that it takes back (same person, day, nature,
    complement, pharmacy and code), or of nobody: nothing is taken elsewhere.
  source: "Health Data Hub, fiche prestations du DCIR"
- rule: repeated_presentation
  table: ER_PHA_F
  flag: is_repeated_presentation
  when: is_repeated
  missing: not flagged
  uses: []
  fr: Le code est sur plusieurs lignes d'IR_PHA_R, réduites à une ; la délivrance n'est pas multipliée.
  en: The code stands on several rows of IR_PHA_R, reduced to one; the dispensing is not multiplied.
  source: "SCALPEL-Extraction, IR_PHA_R de ses tests"
- rule: conflicting_classes
  table: ER_PHA_F
  flag: has_conflicting_classes
  when: is_conflicting
  missing: not flagged
  uses: []
  fr: Les lignes d'IR_PHA_R de ce code donnent plusieurs classes ATC aussi précises ; la plus fréquente est gardée.
  en: The rows of IR_PHA_R of this code give several ATC classes as precise; the most frequent is kept.
  source: "Open Chronic"

- rule: line_left_out
  table: ER_UCD_F
  flag: is_line_left_out
  when: not coalesce(is_used_for_care, false)
  missing: flagged
  uses: []
  fr: >-
    La ligne de remboursement, ou la quantité, est écartée du soin par une règle d'ER_PRS_F.
  en: >-
    The reimbursement line, or the quantity, is left out of care by a rule of ER_PRS_F.
  source: "Règles d'ER_PRS_F"
- rule: without_person
  table: ER_UCD_F
  flag: is_without_person
  when: person_id is null
  missing: flagged
  uses: []
  fr: Délivrance rattachée à personne (voir person_status) ; elle compte dans les unités.
  en: Dispensing linked to nobody (see person_status); it counts in units.
  source: "CNAM, L'essentiel du SNDS"
- rule: without_date
  table: ER_UCD_F
  flag: is_without_date
  when: dispensing_date is null
  missing: flagged
  uses: []
  fr: Date de délivrance absente (ou 1600) ; la ligne reste dans son année de flux.
  en: Missing date of dispensing (or 1600); the line stays in its flux year.
  source: "Health Data Hub, fiche médicament"
- rule: without_class
  table: ER_UCD_F
  flag: is_without_class
  when: length(coalesce(atc_class, '')) < 5
  missing: flagged
  uses: []
  fr: >-
    Code UCD absent, inconnu d'IR_PHA_R, ou de classe ATC de moins de cinq caractères (atc_status dit
    lequel).
  en: >-
    UCD code missing, not in IR_PHA_R, or of an ATC class shorter than five characters (atc_status
    says which).
  source: "Health Data Hub, fiche médicament"
- rule: before_prescription
  table: ER_UCD_F
  flag: is_before_prescription
  when: dispensing_date < prescription_date
  missing: not flagged
  uses: []
  fr: Délivré avant la date de prescription ; la date de délivrance est gardée.
  en: Dispensed before the date of prescription; the date of dispensing is kept.
  source: "Schéma SNDS, ER_PRS_F.PRE_PRE_DTD"
- rule: negative_without_positive
  table: ER_UCD_F
  flag: is_negative_without_positive
  when: quantity < 0 and coalesce(total_quantity, -1) < 0
  missing: not flagged
  uses: []
  fr: Nombre d'unités négatif sans le positif qu'il reprend ; rien n'est retranché ailleurs.
  en: Negative number of units without the positive one that it takes back; nothing is taken elsewhere.
  source: "Health Data Hub, fiche prestations du DCIR"

- rule: without_person
  table: IR_IMB_R
  flag: is_without_person
  when: person_id is null
  missing: flagged
  uses: [ald]
  fr: >-
    Exonération sans personne : pseudonyme absent, inconnu du référentiel ou fictif (person_status dit
    lequel) ; dans aucun épisode.
  en: >-
    Exemption without a person: pseudonym missing, unknown to the referential or fictitious
    (person_status says which); in no episode.
  source: "Open Chronic"
- rule: without_start
  table: IR_IMB_R
  flag: is_without_start
  when: start_date is null
  missing: flagged
  uses: []
  fr: >-
    Sans date de début (absente ou 1600) : une chaîne dont aucune ligne n'en a n'est dans aucun
    épisode.
  en: >-
    Without a start (missing, or 1600): a chain of which no row has one is in no episode.
  source: "Décision 4 de ce projet"
- rule: end_before_start
  table: IR_IMB_R
  flag: has_end_before_start
  when: end_date < start_date
  missing: not flagged
  uses: []
  fr: >-
    Dates dans le désordre : la fin précède le début. La ligne reste et sa fin vaut son début dans
    les épisodes.
  en: >-
    Dates out of order: the end is before the start. The row stays, and its end counts as its start
    in episodes.
  source: "Open Chronic"
- rule: inserted_before_start
  table: IR_IMB_R
  flag: is_inserted_before_start
  when: insert_date < start_date
  missing: not flagged
  uses: []
  fr: Dates dans le désordre, exonération saisie avant son début ; gardée telle quelle.
  en: Dates out of order, exemption keyed before its start; kept as it is.
  source: "Open Chronic"
- rule: unresolved_number
  table: IR_IMB_R
  flag: is_unresolved_number
  when: ald_num_source = 'unresolved'
  missing: not flagged
  uses: []
  fr: Ni le numéro livré ni le code CIM-10 ne disent l'ALD (numéro 99).
  en: Neither the number delivered nor the CIM-10 code tells the ALD (number 99).
  source: "Décision 5 de ce projet"

- rule: supplement
  table: OPEN_DAMIR
  flag: is_supplement
  when: reimbursement_type >= 2
  missing: not flagged
  uses: [spending]
  fr: >-
    Remboursement de type 2 et plus : il répète l'acte. Sa dépense ne compte pas, ce qu'il rembourse est un supplément.
  en: >-
    Reimbursement of type 2 or more: it repeats the act. Its spend does not count, what it reimburses is a supplement.
  source: "CNAM, lexique d'Open DAMIR"
- rule: unknown_care_month
  table: OPEN_DAMIR
  flag: is_care_month_unknown
  when: care_year is null or care_month_known is null
  missing: flagged
  uses: []
  fr: >-
    Mois de soins de remplissage (0000-00).
  en: >-
    Placeholder month of care (0000-00).
  source: "Fichiers publiés d'Open DAMIR"
{% endset %}
    {{ return(fromyaml(text)) }}
{% endmacro %}
