"""What a price costs with litellm and genai-prices in Python: microseconds, median of 15 rounds, after a first call.

Called by benches/prices.sh, which measures orch in the same run.
"""

import statistics
import time
from importlib.metadata import version

ROUNDS, CALLS = 15, 200


def median(call):
    call()
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(CALLS):
            call()
        rounds.append((time.perf_counter() - began) / CALLS * 1e6)
    return statistics.median(rounds)


def litellm_price():
    import litellm

    litellm.suppress_debug_info = True
    return lambda: litellm.cost_per_token(model="claude-sonnet-4-5", prompt_tokens=4000, completion_tokens=800)


def genai_price():
    from genai_prices import Usage, calc_price

    usage = Usage(input_tokens=4000, output_tokens=800)
    return lambda: calc_price(usage, model_ref="claude-sonnet-4-5", provider_id="anthropic")


def main():
    for package, make in [("litellm", litellm_price), ("genai-prices", genai_price)]:
        try:
            call = make()
        except ImportError as error:
            print(f"{package}: not installed ({error})")
            continue
        print(f"{package} {version(package)}: {median(call):.1f} µs a price")


if __name__ == "__main__":
    main()
