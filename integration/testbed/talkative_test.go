package testbed

import "testing"

func TestEverySiteLogsAllThatItCan(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"options, a snippet, a named route and two sites",
			"{\n\tadmin off\n}\n(door) {\n\tdoorward\n}\n&(page) {\n\trespond ok\n}\na.example.com,\nb.example.com {\n\timport door\n\trespond \"{\"\n}\nc.example.com {\n}\n",
			"{\n" + verbose + "\tadmin off\n}\n(door) {\n\tdoorward\n}\n&(page) {\n\trespond ok\n}\na.example.com,\nb.example.com {\n\tlog\n\timport door\n\trespond \"{\"\n}\nc.example.com {\n\tlog\n}\n"},
		{"logs of its own", "{\n\tlog {\n\t\toutput stdout\n\t}\n}\na.example.com {\n\tlog {\n\t\toutput discard\n\t}\n}\n",
			"{\n\tdebug\n\tlog {\n\t\toutput stdout\n\t}\n}\na.example.com {\n\tlog {\n\t\toutput discard\n\t}\n}\n"},
		{"placeholders and matchers", "{\n}\n{$HOST}:80 {\n\t@log path /log\n\trespond {path}\n}\n", "{\n" + verbose + "}\n{$HOST}:80 {\n\tlog\n\t@log path /log\n\trespond {path}\n}\n"},
		{"what is no Caddyfile", "{\n\trespond <<\"\n", "{\n\trespond <<\"\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := talkative(tt.in); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}
