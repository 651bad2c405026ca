# argv: document, proxy file or -, trust directory, operation, values. Prints JSON.
use strict; use warnings; use JSON::PP; use IO::Socket::SSL; use SOAP::Lite;
my ($document, $pem, $trust, $operation, @values) = @ARGV;
$ENV{PERL_LWP_SSL_CA_PATH} = $trust;
IO::Socket::SSL::set_defaults(SSL_cert_file => $pem, SSL_key_file => $pem) if $pem ne '-';
my $service = SOAP::Lite->service($document);
$service->want_som(1);
my $got = $service->$operation(@values);
sub plain {  # without the classes that SOAP::Lite makes of xsi:type
    my $value = shift;
    return "$value" =~ /ARRAY/ ? [map { plain($_) } @$value]
         : "$value" =~ /HASH/ ? { map { $_ => plain($value->{$_}) } keys %$value } : "$value" if ref $value;
    return $value;
}
my %told = $got->fault
    ? (faultcode => $got->faultcode, faultstring => $got->faultstring, detail => plain($got->faultdetail))
    : (answer => plain($got->result));
print JSON::PP->new->encode(\%told);
