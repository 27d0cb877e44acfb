//! The written guide: how the engine is cut, what its words mean, why it is as it is, and what changed.
//!
//! The same files lie in `docs/` of the package. Nothing here is code.

#[doc = include_str!("../docs/architecture.md")]
pub mod architecture {}

#[doc = include_str!("../docs/glossary.md")]
pub mod glossary {}

#[doc = include_str!("../docs/actions.md")]
pub mod actions {}

#[doc = include_str!("../docs/fuzzing.md")]
pub mod fuzzing {}

#[doc = include_str!("../docs/supply-chain.md")]
pub mod supply_chain {}

#[doc = include_str!("../docs/cli.md")]
pub mod cli {}

/// Decisions, each with its context, its alternatives and its drawbacks.
pub mod decisions {
    #[doc = include_str!("../docs/decisions/0001-events-name-tasks-by-place.md")]
    pub mod d0001_events_name_tasks_by_place {}

    #[doc = include_str!("../docs/decisions/0002-names-without-a-second-copy.md")]
    pub mod d0002_names_without_a_second_copy {}

    #[doc = include_str!("../docs/decisions/0003-tokio-time.md")]
    pub mod d0003_tokio_time {}

    #[doc = include_str!("../docs/decisions/0004-fields-wait-for-their-issue.md")]
    pub mod d0004_fields_wait_for_their_issue {}

    #[doc = include_str!("../docs/decisions/0005-floors-by-tokens.md")]
    pub mod d0005_floors_by_tokens {}

    #[doc = include_str!("../docs/decisions/0006-programs-end-with-their-group.md")]
    pub mod d0006_programs_end_with_their_group {}

    #[doc = include_str!("../docs/decisions/0007-markdown-by-lines.md")]
    pub mod d0007_markdown_by_lines {}

    #[doc = include_str!("../docs/decisions/0008-the-driver-moves-to-the-workers.md")]
    pub mod d0008_the_driver_moves_to_the_workers {}

    #[doc = include_str!("../docs/decisions/0009-shared-results-are-known-by-content.md")]
    pub mod d0009_shared_results_are_known_by_content {}

    #[doc = include_str!("../docs/decisions/0010-found-programs-wait-for-approval.md")]
    pub mod d0010_found_programs_wait_for_approval {}

    #[doc = include_str!("../docs/decisions/0011-todo-lists-are-made-afresh.md")]
    pub mod d0011_todo_lists_are_made_afresh {}

    #[doc = include_str!("../docs/decisions/0012-order-for-known-workers.md")]
    pub mod d0012_order_for_known_workers {}

    #[doc = include_str!("../docs/decisions/0013-the-clock-is-read-by-need.md")]
    pub mod d0013_the_clock_is_read_by_need {}

    #[doc = include_str!("../docs/decisions/0014-readers-and-one-book.md")]
    pub mod d0014_readers_and_one_book {}

    #[doc = include_str!("../docs/decisions/0015-content-hashes-wait.md")]
    pub mod d0015_content_hashes_wait {}

    #[doc = include_str!("../docs/decisions/0016-two-clocks-for-expiry.md")]
    pub mod d0016_two_clocks_for_expiry {}

    #[doc = include_str!("../docs/decisions/0017-flights-are-checked-by-shuttle.md")]
    pub mod d0017_flights_are_checked_by_shuttle {}

    #[doc = include_str!("../docs/decisions/0018-keys-hash-what-is-read.md")]
    pub mod d0018_keys_hash_what_is_read {}

    #[doc = include_str!("../docs/decisions/0019-one-goes-first-where-it-pays.md")]
    pub mod d0019_one_goes_first_where_it_pays {}

    #[doc = include_str!("../docs/decisions/0020-claims-are-asked-of-the-session.md")]
    pub mod d0020_claims_are_asked_of_the_session {}

    #[doc = include_str!("../docs/decisions/0023-a-run-that-does-not-succeed-is-undone.md")]
    pub mod d0023_a_run_that_does_not_succeed_is_undone {}

    #[doc = include_str!("../docs/decisions/0024-going-back-ends-the-run.md")]
    pub mod d0024_going_back_ends_the_run {}

    #[doc = include_str!("../docs/decisions/0025-undone-is-a-state-of-a-task.md")]
    pub mod d0025_undone_is_a_state_of_a_task {}

    #[doc = include_str!("../docs/decisions/0026-breakers-are-asked-last.md")]
    pub mod d0026_breakers_are_asked_last {}

    #[doc = include_str!("../docs/decisions/0027-sources-are-read-when-a-task-is-about-to-start.md")]
    pub mod d0027_sources_are_read_when_a_task_is_about_to_start {}

    #[doc = include_str!("../docs/decisions/0028-other-caches-stand-behind-the-one-in-memory.md")]
    pub mod d0028_other_caches_stand_behind_the_one_in_memory {}

    #[doc = include_str!("../docs/decisions/0030-python-tasks-share-workers.md")]
    pub mod d0030_python_tasks_share_workers {}

    #[doc = include_str!("../docs/decisions/0034-caches-hold-objects-beside-their-json-form.md")]
    pub mod d0034_caches_hold_objects_beside_their_json_form {}

    #[doc = include_str!("../docs/decisions/0035-arguments-are-keys-by-type-and-content.md")]
    pub mod d0035_arguments_are_keys_by_type_and_content {}

    #[doc = include_str!("../docs/decisions/0036-one-function-answers-the-vectors.md")]
    pub mod d0036_one_function_answers_the_vectors {}

    #[doc = include_str!("../docs/decisions/0037-old-classes-say-that-they-are-coming.md")]
    pub mod d0037_old_classes_say_that_they_are_coming {}

    #[doc = include_str!("../docs/decisions/0040-node-driver.md")]
    pub mod d0040_node_driver {}

    #[doc = include_str!("../docs/decisions/0045-definitions-without-ids-become-the-published-form.md")]
    pub mod d0045_definitions_without_ids_become_the_published_form {}

    #[doc = include_str!("../docs/decisions/0046-hits-in-node-are-answered-near.md")]
    pub mod d0046_hits_in_node_are_answered_near {}

    #[doc = include_str!("../docs/decisions/0047-the-prototypes-classes-translate-and-the-core-computes.md")]
    pub mod d0047_the_prototypes_classes_translate_and_the_core_computes {}

    #[doc = include_str!("../docs/decisions/0050-tasks-are-added-by-whoever-works.md")]
    pub mod d0050_tasks_are_added_by_whoever_works {}

    #[doc = include_str!("../docs/decisions/0051-python-runs-share-an-engine.md")]
    pub mod d0051_python_runs_share_an_engine {}

    #[doc = include_str!("../docs/decisions/0055-a-store-blocks-and-knows-bytes.md")]
    pub mod d0055_a_store_blocks_and_knows_bytes {}

    #[doc = include_str!("../docs/decisions/0056-stored-before-told.md")]
    pub mod d0056_stored_before_told {}

    #[doc = include_str!("../docs/decisions/0057-runs-resume-by-content.md")]
    pub mod d0057_runs_resume_by_content {}

    #[doc = include_str!("../docs/decisions/0058-the-command-line-keeps-runs-when-asked.md")]
    pub mod d0058_the_command_line_keeps_runs_when_asked {}

    #[doc = include_str!("../docs/decisions/0060-what-is-installed-holds-what-it-uses.md")]
    pub mod d0060_what_is_installed_holds_what_it_uses {}

    #[doc = include_str!("../docs/decisions/0061-claims-among-processes-are-leases-behind-gates.md")]
    pub mod d0061_claims_among_processes_are_leases_behind_gates {}

    #[doc = include_str!("../docs/decisions/0062-the-store-is-proved-by-what-goes-wrong.md")]
    pub mod d0062_the_store_is_proved_by_what_goes_wrong {}

    #[doc = include_str!("../docs/decisions/0065-processes-take-turns-through-leases.md")]
    pub mod d0065_processes_take_turns_through_leases {}

    #[doc = include_str!("../docs/decisions/0066-functions-count-by-their-code.md")]
    pub mod d0066_functions_count_by_their_code {}

    #[doc = include_str!("../docs/decisions/0070-python-keeps-what-a-function-is.md")]
    pub mod d0070_python_keeps_what_a_function_is {}

    #[doc = include_str!("../docs/decisions/0071-functions-ask-the-store-too.md")]
    pub mod d0071_functions_ask_the_store_too {}

    #[doc = include_str!("../docs/decisions/0075-usage-is-read-by-a-table.md")]
    pub mod d0075_usage_is_read_by_a_table {}

    #[doc = include_str!("../docs/decisions/0076-money-is-reserved-before-it-is-spent.md")]
    pub mod d0076_money_is_reserved_before_it_is_spent {}

    #[doc = include_str!("../docs/decisions/0077-the-ledger-is-cells-and-charges.md")]
    pub mod d0077_the_ledger_is_cells_and_charges {}

    #[doc = include_str!("../docs/decisions/0078-time-zones-from-jiff.md")]
    pub mod d0078_time_zones_from_jiff {}

    #[doc = include_str!("../docs/decisions/0086-letters-wait-in-the-store.md")]
    pub mod d0086_letters_wait_in_the_store {}

    #[doc = include_str!("../docs/decisions/0090-the-classes-of-the-scripts-keep-their-file.md")]
    pub mod d0090_the_classes_of_the_scripts_keep_their_file {}

    #[doc = include_str!("../docs/decisions/0095-dollars-are-numbers-in-javascript.md")]
    pub mod d0095_dollars_are_numbers_in_javascript {}

    #[doc = include_str!("../docs/decisions/0096-a-history-is-read-line-by-line.md")]
    pub mod d0096_a_history_is_read_line_by_line {}

    #[doc = include_str!("../docs/decisions/0100-budgets-ask-step-down-and-keep-money-for-the-critical.md")]
    pub mod d0100_budgets_ask_step_down_and_keep_money_for_the_critical {}

    #[doc = include_str!("../docs/decisions/0101-agents-say-what-they-use-while-they-run.md")]
    pub mod d0101_agents_say_what_they_use_while_they_run {}

    #[doc = include_str!("../docs/decisions/0102-news-of-budgets-are-booked-with-their-charge.md")]
    pub mod d0102_news_of_budgets_are_booked_with_their_charge {}

    #[doc = include_str!("../docs/decisions/0108-names-of-models-are-found-once.md")]
    pub mod d0108_names_of_models_are_found_once {}

    #[doc = include_str!("../docs/decisions/0109-hooks-charge-by-the-name-of-the-answer.md")]
    pub mod d0109_hooks_charge_by_the_name_of_the_answer {}

    #[doc = include_str!("../docs/decisions/0110-settings-are-edited-as-text.md")]
    pub mod d0110_settings_are_edited_as_text {}

    #[doc = include_str!("../docs/decisions/0111-telemetry-without-the-sdk.md")]
    pub mod d0111_telemetry_without_the_sdk {}

    #[doc = include_str!("../docs/decisions/0112-newer-prices-are-one-file.md")]
    pub mod d0112_newer_prices_are_one_file {}

    #[doc = include_str!("../docs/decisions/0115-git-is-a-program-behind-one-door.md")]
    pub mod d0115_git_is_a_program_behind_one_door {}

    #[doc = include_str!("../docs/decisions/0116-a-lease-is-a-lock-on-a-file.md")]
    pub mod d0116_a_lease_is_a_lock_on_a_file {}

    #[doc = include_str!("../docs/decisions/0117-what-is-removed-goes-to-a-trash.md")]
    pub mod d0117_what_is_removed_goes_to_a_trash {}

    #[doc = include_str!("../docs/decisions/0118-a-task-s-result-is-a-commit.md")]
    pub mod d0118_a_task_s_result_is_a_commit {}

    #[doc = include_str!("../docs/decisions/0125-facts-are-a-table-of-their-own.md")]
    pub mod d0125_facts_are_a_table_of_their_own {}

    #[doc = include_str!("../docs/decisions/0126-hooks-of-git-run-what-was-there-first.md")]
    pub mod d0126_hooks_of_git_run_what_was_there_first {}

    #[doc = include_str!("../docs/decisions/0127-a-hook-fails-open.md")]
    pub mod d0127_a_hook_fails_open {}

    #[doc = include_str!("../docs/decisions/0128-routes-are-asked-in-one-order.md")]
    pub mod d0128_routes_are_asked_in_one_order {}

    #[doc = include_str!("../docs/decisions/0130-the-terminal-is-drawn-by-hand.md")]
    pub mod d0130_the_terminal_is_drawn_by_hand {}

    #[doc = include_str!("../docs/decisions/0131-spend-is-that-of-the-task.md")]
    pub mod d0131_spend_is_that_of_the_task {}

    #[doc = include_str!("../docs/decisions/0132-the-scripts-tasks-run-in-worktrees-by-name.md")]
    pub mod d0132_the_scripts_tasks_run_in_worktrees_by_name {}

    #[doc = include_str!("../docs/decisions/0140-readers-of-the-page-take.md")]
    pub mod d0140_readers_of_the_page_take {}

    #[doc = include_str!("../docs/decisions/0150-measured-and-modelled-stand-apart.md")]
    pub mod d0150_measured_and_modelled_stand_apart {}

    #[doc = include_str!("../docs/decisions/0151-a-history-is-counted-whole.md")]
    pub mod d0151_a_history_is_counted_whole {}

    #[doc = include_str!("../docs/decisions/0152-badges-are-those-of-shields.md")]
    pub mod d0152_badges_are_those_of_shields {}

    #[doc = include_str!("../docs/decisions/0153-blocks-of-readmes-have-two-marks.md")]
    pub mod d0153_blocks_of_readmes_have_two_marks {}

    #[doc = include_str!("../docs/decisions/0154-records-are-linked-before-they-go.md")]
    pub mod d0154_records_are_linked_before_they_go {}

    #[doc = include_str!("../docs/decisions/0155-local-badges-are-asked-for-once.md")]
    pub mod d0155_local_badges_are_asked_for_once {}

    #[doc = include_str!("../docs/decisions/0165-capabilities-are-dealt-before-the-run.md")]
    pub mod d0165_capabilities_are_dealt_before_the_run {}

    #[doc = include_str!("../docs/decisions/0170-workflows-are-read-by-events.md")]
    pub mod d0170_workflows_are_read_by_events {}

    #[doc = include_str!("../docs/decisions/0171-edits-are-proved-by-reading-again.md")]
    pub mod d0171_edits_are_proved_by_reading_again {}

    #[doc = include_str!("../docs/decisions/0172-what-is-due-is-asked-of-the-last-answer.md")]
    pub mod d0172_what_is_due_is_asked_of_the_last_answer {}

    #[doc = include_str!("../docs/decisions/0173-pages-share-one-theme.md")]
    pub mod d0173_pages_share_one_theme {}

    #[doc = include_str!("../docs/decisions/0174-stale-worktrees-are-told-once-a-day.md")]
    pub mod d0174_stale_worktrees_are_told_once_a_day {}

    #[doc = include_str!("../docs/decisions/0175-savings-are-those-of-runs.md")]
    pub mod d0175_savings_are_those_of_runs {}

    #[doc = include_str!("../docs/decisions/0180-what-has-no-price-is-said.md")]
    pub mod d0180_what_has_no_price_is_said {}

    #[doc = include_str!("../docs/decisions/0181-a-dispatcher-s-table-grows.md")]
    pub mod d0181_a_dispatcher_s_table_grows {}

    #[doc = include_str!("../docs/decisions/0185-a-report-waits-for-what-is-told.md")]
    pub mod d0185_a_report_waits_for_what_is_told {}

    #[doc = include_str!("../docs/decisions/0186-all-doors-deal-by-one-call.md")]
    pub mod d0186_all_doors_deal_by_one_call {}

    #[doc = include_str!("../docs/decisions/0187-a-short-task-is-written-once.md")]
    pub mod d0187_a_short_task_is_written_once {}

    #[doc = include_str!("../docs/decisions/0190-linkers-are-tried-first.md")]
    pub mod d0190_linkers_are_tried_first {}

    #[doc = include_str!("../docs/decisions/0191-published-prices-are-packed.md")]
    pub mod d0191_published_prices_are_packed {}

    #[doc = include_str!("../docs/decisions/0192-what-is-installed-is-built-small.md")]
    pub mod d0192_what_is_installed_is_built_small {}

    #[doc = include_str!("../docs/decisions/0195-a-cell-is-a-value-until-it-is-written.md")]
    pub mod d0195_a_cell_is_a_value_until_it_is_written {}

    #[doc = include_str!("../docs/decisions/0200-what-is-hot-is-compiled-with-its-door.md")]
    pub mod d0200_what_is_hot_is_compiled_with_its_door {}

    #[doc = include_str!("../docs/decisions/0201-runs-in-node-use-again-what-they-listen-with.md")]
    pub mod d0201_runs_in_node_use_again_what_they_listen_with {}

    #[doc = include_str!("../docs/decisions/0202-prices-are-read-by-code-of-our-own.md")]
    pub mod d0202_prices_are_read_by_code_of_our_own {}

    #[doc = include_str!("../docs/decisions/0203-runs-write-where-earlier-ones-wrote.md")]
    pub mod d0203_runs_write_where_earlier_ones_wrote {}

    #[doc = include_str!("../docs/decisions/0204-time-zones-are-packed.md")]
    pub mod d0204_time_zones_are_packed {}
}

#[doc = include_str!("../CHANGELOG.md")]
pub mod changelog {}
