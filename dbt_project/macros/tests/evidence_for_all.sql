{# Fails when a pathology with criteria of its own is held in a year that this build writes and no
   evidence that is retained says why. #}
{% test evidence_for_all(model) %}
with shown as (
    select distinct person_id, year, carto_version, top from {{ model }} where is_retained
)

select held.person_id, held.year, held.carto_version, held.top
from {{ ref('person_pathology') }} as held
left join shown
    on held.person_id = shown.person_id
    and held.year = shown.year
    and held.carto_version = shown.carto_version
    and held.top = shown.top
where
    held.kind in ('criteria', 'residual')
    and shown.person_id is null
    and held.year in ({{ openchronic.years_written(model) }})
{% endtest %}
