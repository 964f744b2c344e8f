/** Ruby, PHP, Perl, and the agent that is in every image. */
import { BRINGS_A_SOCKET, NOT_A_REGISTRY, type Row, row } from './row.ts';

export const LANGUAGES: readonly Row[] = [
  row('Ruby net/http', `ruby -rnet/http -e 'puts Net::HTTP.get(URI(ENV["U"]))'`),
  row('gem', 'gem install --clear-sources --source "$U/" --install-dir here nothing', NOT_A_REGISTRY),
  row('bundler', 'printf "source \\"$U/\\"\\ngem \\"nothing\\"\\n" > Gemfile; bundle lock', NOT_A_REGISTRY),
  row('PHP curl', `php -r '$c = curl_init(getenv("U")); exit(curl_exec($c) ? 0 : 1);'`),
  row('PHP file_get_contents', `php -r 'exit(@file_get_contents(getenv("U")) === false ? 1 : 0);'`, BRINGS_A_SOCKET),
  row(
    'composer',
    `echo '{"repositories":[{"type":"composer","url":"'"$U"'"},{"packagist.org":false}],"require":{"no/thing":"*"}}' > composer.json; composer update -n`,
    NOT_A_REGISTRY,
  ),
  row(
    'Perl LWP',
    `perl -MLWP::UserAgent -e '$r = LWP::UserAgent->new->get($ENV{U}); print $r->as_string; exit !$r->is_success'`,
  ),
  row(
    'Perl HTTP::Tiny',
    `perl -MHTTP::Tiny -e '$r = HTTP::Tiny->new->get($ENV{U}); print $r->{status}; exit !$r->{success}'`,
  ),
  row('Claude Code', 'ANTHROPIC_API_KEY=none claude -p hi', { path: '/v1/messages' }),
];
