"""Run programs against the model, search their schedules, judge, shrink, keep and show what fails."""
