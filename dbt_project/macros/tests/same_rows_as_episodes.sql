{# Fails on each episode of a condition that the model has not, in a year that this build writes. #}
{% test same_rows_as_episodes(model, of_where) %}
select episode.episode_id
from (
    select episode_id, year as year_of_row from {{ ref('hospital_episode') }} where {{ of_where }}
) as episode
full outer join {{ model }} as found
    on episode.episode_id = found.episode_id and episode.year_of_row = found.year
where
    (episode.episode_id is null or found.episode_id is null)
    and coalesce(episode.year_of_row, found.year) in ({{ openchronic.years_written(model) }})
{% endtest %}
